import type { Generated } from 'kysely'
import type { AppKind, AppStage } from '../../domain/apps/ports.js'

/** Table shapes as Kysely sees them. Booleans are 0/1, times ISO-8601 text, JSON is text: the common subset of SQLite and Postgres. */
export interface Schema {
  setting: { key: string; value: string }
  namespace: {
    id: Generated<number>
    name: string
    name_key: string
    type: 'user' | 'org'
    fullname: string | null
    description: string | null
    email: string | null
    password_hash: string | null
    is_site_admin: number
    is_active: number
    private_quota_bytes: number | null
    public_quota_bytes: number | null
    /** Over both pools. */
    total_quota_bytes: Generated<number | null>
    profile: string
    created_at: string
  }
  org_member: { org_id: number; user_id: number; role: string; created_at: string }
  token: {
    id: string
    user_id: number
    name: string
    kind: 'token' | 'session'
    hash: string
    role: 'read' | 'write' | 'admin'
    repo_ids: string
    created_at: string
    expires_at: string | null
    last_used_at: string | null
  }
  invitation: {
    token_hash: string
    org_id: number | null
    role: string
    email: string | null
    created_by: number | null
    max_usage: number
    usage_count: number
    created_at: string
    expires_at: string
  }
  login_attempt: { key: string; failures: number; window_started_at: string }
  repo: {
    seq: Generated<number>
    id: string
    kind: 'model' | 'dataset' | 'space'
    namespace_id: number
    name: string
    /** Lower-cased, `-` and `_` dropped; null once the name is given up (deleting). */
    name_key: string | null
    visibility: 'public' | 'internal' | 'private'
    gate: 'auto' | 'manual' | 'none'
    description: string
    default_branch: string
    object_format: 'sha1' | 'sha256'
    state: 'creating' | 'ready' | 'deleting'
    disabled: number
    sdk: string | null
    created_at: string
    updated_at: string
    pushed_at: string | null
    head_oid: string | null
    head_at: string | null
    commit_count: number
    refs_digest: string
    git_bytes: number
    lfs_bytes: number
    quota_bytes: number | null
    downloads: number
    likes: number
    trending_score: number
    /** The process that is creating it; null once it is ready. */
    creating_owner: Generated<string | null>
    /** `namespace/name`, kept by triggers. */
    address: Generated<string>
    /** Of the weights at the tip of the default branch; 0 = not known. */
    parameters: Generated<number>
    likes_30d: Generated<number>
    settings: string
  }
  repo_redirect: {
    kind: string
    namespace_key: string
    name_key: string
    repo_id: string
    created_at: string
  }
  repo_member: { repo_id: string; user_id: number; role: string; created_at: string }
  repo_hold: {
    id: string
    repo_id: string
    kind: string
    holder: string
    owner: string
    created_at: string
    expires_at: string
  }
  ref: { repo_id: string; name: string; oid: string }
  file: {
    repo_id: string
    path: string
    mode: string
    blob_oid: string
    size: number
    lfs_oid: string | null
    pointer_size: number | null
  }
  repo_language: { repo_id: string; language: string | null; head_oid: string | null }
  repo_card: {
    seq: number
    card_data: string | null
    config: string | null
    safetensors: string | null
    /** null = derived before this was read: empty until README.md changes or `reindex` runs. */
    papers: string | null
    formats: string
    tags: string
    pipeline_tag: string | null
    library_name: string | null
  }
  repo_tag: { kind: 'model' | 'dataset' | 'space'; tag: string; seq: number; type: string }
  /** SQLite's full-text index over `namespace/name`; the row id is the repository's seq. */
  repo_search: { rowid: number; address: string }
  lfs_object: {
    oid: string
    size: number
    storage: string
    /** Where the raw bytes are; null when there are only chunks. */
    key: string | null
    /** Until then somebody may hold a presigned URL that writes the key (the same bytes, by its checksum). */
    writable_until: string | null
    created_at: string
  }
  lfs_link: {
    repo_id: string
    oid: string
    size: number
    created_at: string
    condemned_at: string | null
  }
  lfs_removed: { repo_id: string; oid: string; removed_at: string }
  lfs_lease: { id: string; oid: string; repo_id: string; size: number; expires_at: string }
  quota_reservation: { id: string; repo_id: string; bytes: number; expires_at: string }
  lfs_upload: {
    id: string
    repo_id: string
    oid: string
    size: number
    key: string
    store_upload_id: string | null
    part_size: number
    expires_at: string
  }
  lfs_discard: { key: string; store_upload_id: string | null; until: string }
  lfs_lock: {
    id: string
    repo_id: string
    path: string
    ref: string | null
    owner_id: number
    owner_name: string
    locked_at: string
  }
  xet_xorb: {
    hash: string
    nonce: string
    bytes: number
    raw_bytes: number
    chunks: number
    state: 'stored' | 'deleting'
    created_at: string
    touched_at: string
  }
  xet_file: { hash: string; sha256: string; size: number; terms: number; created_at: string }
  xet_term_page: { file_hash: string; first_byte: number; terms: Buffer }
  xet_file_xorb: { file_hash: string; xorb_hash: string; raw_bytes: number }
  xet_chunk: { chunk_hash: string; xorb_hash: string }
  xet_upload: { repo_id: string; xorb_hash: string; is_used: number; created_at: string }
  like: { repo_id: string; user_id: number; created_at: string }
  collection: {
    id: string
    namespace_id: number
    title: string
    description: string | null
    theme: 'orange' | 'blue' | 'green' | 'purple' | 'pink' | 'indigo'
    is_private: number
    position: number
    upvotes: Generated<number>
    created_at: string
    updated_at: string
  }
  collection_item: {
    id: string
    collection_id: string
    type: 'model' | 'dataset' | 'space' | 'paper' | 'collection'
    repo_id: string | null
    paper_id: string | null
    held_id: string | null
    target: string
    note: string | null
    position: number
  }
  collection_upvote: { collection_id: string; user_id: number; created_at: string }
  paper: {
    id: string
    title: string | null
    summary: string | null
    authors: string
    published_at: string | null
    source: string | null
    submitted_at: string | null
    submitted_by: number | null
  }
  follow: { follower_id: number; followed_id: number; created_at: string }
  access_request: {
    repo_id: string
    user_id: number
    status: 'pending' | 'accepted' | 'rejected'
    asked_at: string | null
    decided_at: string | null
    decided_by: number | null
    reason: string | null
    answers: string
  }
  download_session: { repo_id: string; visitor: string; bucket: number }
  download_day: {
    repo_id: string
    day: string
    sessions: number
    authenticated: number
    files: number
  }
  discussion: {
    repo_id: string
    num: number
    uid: string
    title: string
    author_id: number | null
    is_pull_request: number
    status: 'draft' | 'open' | 'closed' | 'merged'
    pinned: Generated<number>
    locked: Generated<number>
    /** 0: a pull request whose ref is still being made. */
    opened: Generated<number>
    base_ref: string | null
    head_ref: string | null
    head_oid: string | null
    merge_oid: string | null
    merge_base_oid: string | null
    created_at: string
  }
  /** The last number given out, also to what is gone. */
  discussion_counter: { repo_id: string; last: number }
  discussion_event: {
    id: Generated<number>
    uid: string
    repo_id: string
    num: number
    type: string
    author_id: number | null
    created_at: string
    data: string
    content: string | null
    updated_at: string | null
    edited: Generated<number>
    hidden: Generated<number>
  }
  discussion_edit: {
    id: Generated<number>
    event_id: number
    author_id: number | null
    content: string
    at: string
  }
  /** Merges written down before the base moves: whoever finds the base there knows that it was merged. */
  pull_merge: {
    repo_id: string
    num: number
    oid: string
    base_ref: string
    merge_base_oid: string
    user_id: number | null
    comment: string | null
    created_at: string
  }
  event: {
    id: Generated<number>
    at: string
    type: string
    repo_id: string | null
    repo_kind: string | null
    repo_name: string | null
    actor_id: number | null
    actor_name: string | null
    address: string
    dialect: string
    data: string
    request_id: string | null
    credential: string | null
    outcome: Generated<string>
    /** Of requests: HTTP status, method and path. */
    status: number | null
    method: string | null
    path: string | null
  }
  space: {
    repo_id: string
    hardware: string | null
    storage: string | null
    sleep_seconds: number | null
    dev_mode: Generated<number>
    paused: Generated<number>
    volumes: Generated<string>
    revision: Generated<number>
    factory_revision: number | null
  }
  space_value: {
    repo_id: string
    kind: 'secret' | 'variable'
    key: string
    /** Of a secret: sealed. */
    value: string
    description: string | null
    updated_at: string
  }
  app_run: {
    id: string
    kind: AppKind
    version: string
    stage: AppStage
    url: string | null
    message: string | null
    hardware: string | null
    started_at: string | null
    checked_at: string
    used_at: string
  }
  endpoint: {
    id: string
    namespace_id: number
    name: string
    spec: string
    sealed: string
    wanted: 'running' | 'paused' | 'scaledToZero'
    revision: Generated<number>
    created_by: string | null
    created_at: string
    updated_at: string
  }
  webhook: {
    id: string
    owner_id: number
    is_site: number
    url: string
    /** Scheme, host and port. */
    target: string
    domains: string
    sealed_secret: string | null
    disabled: string | null
    base_url: string
    created_at: string
    updated_at: string
    last_success_at: string | null
  }
  webhook_watch: {
    webhook_id: string
    position: number
    namespace_id: number | null
    repo_id: string | null
  }
  webhook_event: { id: Generated<number>; at: string; data: string }
  webhook_delivery: {
    id: Generated<number>
    webhook_id: string
    event_id: number
    repo_id: string
    site_change: string | null
    was_member: number
    status: string
    attempts: number
    created_at: string
    finished_at: string | null
  }
  webhook_lane: {
    webhook_id: string
    repo_id: string
    next_at: string
    lease_owner: string | null
    lease_until: string | null
  }
  webhook_attempt: {
    id: Generated<number>
    delivery_id: number
    at: string
    duration_ms: number
    status: number | null
    error: string | null
  }
  job: {
    id: Generated<number>
    kind: string
    key: string
    data: string
    run_after: string
    attempts: number
    lease_owner: string | null
    lease_until: string | null
    last_error: string | null
    created_at: string
  }
  platform: {
    id: Generated<number>
    name: string
    name_key: string
    description: string
    visibility: 'open' | 'hidden'
    type: 'main' | 'personal'
    distrib_type: string
    default_branch: string
    released: number
    owner_id: number
    personal_of: number | null
    created_at: string
    updated_at: string
  }
  platform_member: { platform_id: number; account_id: number; role: string }
  platform_token: {
    id: Generated<number>
    platform_id: number
    hash: string
    description: string
    status: 'active' | 'blocked'
    created_at: string
  }
  package_export: { platform_id: number; accepted_at: string }
  /** What ABF calls a repository. */
  shelf: {
    id: Generated<number>
    platform_id: number
    name: string
    description: string
    publish_without_qa: number
    publish_builds_only_from_branch: string | null
    synchronizing_publications: number
    created_at: string
    updated_at: string
  }
  shelf_member: { shelf_id: number; account_id: number }
  /** The last three are copied from the repository by triggers; `shown` is its visibility, empty unless it is ready. */
  shelf_project: {
    shelf_id: number
    repo_id: string
    created_at: string
    repo_seq: Generated<number>
    name: Generated<string>
    shown: Generated<string>
  }
  /** Repositories that are ready, counted by triggers. */
  repo_count: { namespace_id: number; kind: string; visibility: string; repos: number }
  shelf_key_pair: {
    shelf_id: number
    public_key: string
    sealed_secret: string
    fingerprint: string
    updated_at: string
  }
  mirror_lock: { shelf_id: number; holder: string; created_at: string; expires_at: string }
  project_detail: {
    repo_id: string
    maintainer_id: number | null
    is_package: number
    has_issues: number
    has_wiki: number
    publish_i686_into_x86_64: number
  }
  system_user: { user_id: number; created_at: string }
}
