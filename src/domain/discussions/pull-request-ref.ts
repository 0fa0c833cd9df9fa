const PR_REF = /^refs\/pr\/([1-9]\d{0,8})$/

/** Number of the pull request whose ref this is. */
export function pullRequestNumber(ref: string): number | undefined {
  const digits = PR_REF.exec(ref)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
