import { BlockList, isIP } from 'node:net'

/*
 * Which addresses are somebody's on the public internet: IANA's special-purpose registries (RFC 6890 and its updates)
 * taken out. Of IPv6 only global unicast (2000::/3) is in, so that everything which only carries an IPv4 address (mapped
 * ::ffff:0:0/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48), loopback, link-local, unique local and multicast are out.
 */
const NOT_PUBLIC_V4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
])
const GLOBAL_V6 = blockList('ipv6', [['2000::', 3]])
/** Protocol assignments with Teredo, documentation, 6to4 (an IPv4 address inside). */
const SPECIAL_V6 = blockList('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
])

/** False also for what is no address at all. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !NOT_PUBLIC_V4.check(address, 'ipv4')
    case 6:
      return GLOBAL_V6.check(address, 'ipv6') && !SPECIAL_V6.check(address, 'ipv6')
    default:
      return false
  }
}

function blockList(
  family: 'ipv4' | 'ipv6',
  nets: readonly (readonly [net: string, bits: number])[],
): BlockList {
  const list = new BlockList()
  for (const [net, bits] of nets) list.addSubnet(net, bits, family)
  return list
}
