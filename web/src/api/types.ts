// What the API answers, as the pages use it. Times are RFC 3339 UTC, bytes integers, amounts decimal strings.

export type Role = 'customer' | 'staff'
export type Basis = 'l2' | 'l3'
export type Unit = 'bytes' | 'bit/s'
export type Step = '10s' | '1m' | '5m' | '1h' | '1d'

export interface List<T> { items: T[]; next_cursor?: string }
export interface Session { role: Role; customer_id?: string; name: string; development: boolean }
export interface Period { from: string; to: string }
export interface Money { amount: string; currency: string }
export interface Customer { id: string; name: string; email: string }

export interface CycleSummary {
  id: string
  period: Period
  status: string
  quota_bytes?: number
  billable_bytes: number
  basis: Basis
  direction: string
  bytes_in_l2: number
  bytes_out_l2: number
  bytes_in_l3: number
  bytes_out_l3: number
  samples: number
  error_bound_percent?: number
  datagrams_lost: number
  thresholds: number[]
  projected_bytes?: number
  overage?: { bytes: number; amount?: Money }
}

export interface Prefix { prefix: string; from: string; to?: string }

export interface Service {
  id: string
  name: string
  customer: Customer
  plan: { id: string; name: string }
  since: string
  prefixes: Prefix[]
  cycle?: CycleSummary
}

export interface UsagePoint { t: string; in: number | null; out: number | null; gap: boolean }
export interface Usage {
  service_id: string
  from: string
  to: string
  step_seconds: number
  unit: Unit
  basis: Basis
  points: UsagePoint[]
  resolution_note?: string
}

export interface Slot { t: string; in_l2: number; out_l2: number; in_l3: number; out_l3: number }
export interface LiveUpdate { slots: Slot[]; cycle?: CycleSummary }

export interface Alert {
  service_id: string
  service: string
  cycle_id: string
  threshold: number // percent of the quota
  quota_bytes: number
  billable_bytes: number // at the moment of crossing
  crossed_at: string
}

export interface Evidence {
  bytes_in: number
  bytes_out: number
  billable_bytes: number
  quota_bytes?: number
  samples: number
  error_bound_percent?: number
  datagrams_lost: number
  samples_lost: number
  samples_quarantined: number
  kernel_drops: number
  basis: Basis
  direction: string
}

export interface InvoiceLine {
  kind: string
  description: string
  quantity: string
  unit_bytes: number
  unit_price: string
  amount: string
  evidence: Evidence
}

export interface Invoice {
  id: string
  number: string
  kind: string
  status: string
  customer: { name: string; email: string }
  service: { id: string; name: string }
  period: Period
  total: string
  currency: string
  finalised_at: string
  lines?: InvoiceLine[]
}

export interface LossHour {
  hour: string
  datagrams: number
  datagrams_lost: number
  datagrams_duplicate: number
  datagrams_rejected: number
  restarts: number
  samples: number
  samples_evidence: number
  samples_lost: number
  samples_dropped: number
  samples_quarantined: number
  samples_without_ip: number
  samples_rejected: number
  samples_unattributed: number
  bytes_unattributed_l2: number
  counter_samples: number
  discard_samples: number
  samples_unknown: number
  kernel_drops: number
  spool_drops: number
}

export interface Port {
  if_index: number
  if_type: number
  speed: string // bit/s; counters are 64-bit, beyond a double
  octets_in: string
  octets_out: string
  read_at: string
  rate?: number
}

export interface Exporter {
  id: string
  name: string
  source: string
  agent?: string
  count_policy: string
  rate_min: number
  rate_max: number
  seen?: { first_at: string; last_at: string }
  state: 'never_seen' | 'receiving' | 'silent' | 'losing'
  datagrams_per_second: number
  samples_per_second: number
  last_hour: LossHour
  ports: Port[]
  hours?: LossHour[]
}

export interface UnknownSource { source: string; datagrams: number; bytes: number; last_at: string }
export interface Collector {
  id: string
  host: string
  boot_at: string
  reported_at: string
  listen: string
  receive_buffer: number
  datagrams: number
  bytes: number
  kernel_drops: number
  spool_drops: number
  unknown_datagrams: number
  unknown: UnknownSource[]
}

export interface Unattributed {
  address: string // '::' gathers what was over the bound of addresses kept
  bytes_l2: number
  bytes_l3: number
  packets: number
  samples: number
}

export interface Clock { now: string; offset?: string; offset_seconds?: number }

export interface Message {
  id: string
  channel: 'mail' | 'discord'
  to: string
  from: string
  subject: string
  text: string
  received_at: string
}
