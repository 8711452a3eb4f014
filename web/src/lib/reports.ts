import { bitRate, bytes, clock, count, date, dateTime, percent } from '@/lib/format'
import type { SpanName } from '@/lib/hours'

// What each report's page shows. Names and sorts are the API's; words are for people.

export type Kind = 'bytes' | 'count' | 'percent' | 'bound' | 'ratio' | 'rate' | 'speed' | 'hour' | 'time' | 'text' | 'service' | 'exporter' | 'port' | 'verdict' | 'reasons'
export type Row = Record<string, unknown>

export interface Column {
  key: string
  label: string
  kind: Kind
  explain?: string
  sort?: true
  alarming?: true // red when above nothing
}

export interface ReportView {
  name: string
  tab: string
  title: string
  lead: string
  empty: string
  span: SpanName
  columns: Column[]
  exporter?: true // can be narrowed to one exporter
  search?: string // what the search field asks for
  states?: { value: string; label: string }[]
}

const c = (key: string, label: string, kind: Kind, more: Partial<Column> = {}): Column => ({ key, label, kind, ...more })
const s = (key: string, label: string, kind: Kind, more: Partial<Column> = {}): Column => ({ key, label, kind, sort: true, ...more })
const all = (what: string) => ({ value: 'all', label: `All ${what}` })

export const REPORTS: ReportView[] = [
  {
    name: 'top-services', tab: 'Services', title: 'Top services', span: '24h', exporter: true, search: 'Service or customer',
    lead: 'What was metered for each service, with the bound of its error and the loss that is known.',
    empty: 'Nothing was metered in this range.',
    columns: [
      s('service', 'Service', 'service'), s('customer', 'Customer', 'text'), s('bytes_l2', 'Total (L2)', 'bytes'), c('share_percent', 'Share', 'percent'),
      s('bytes_in_l2', 'In (L2)', 'bytes'), s('bytes_out_l2', 'Out (L2)', 'bytes'), s('bytes_l3', 'Total (L3)', 'bytes'), s('samples', 'Samples', 'count'),
      s('error_bound_percent', 'Error ≤', 'bound', { explain: '95 % bound; exact where a port counted the bytes' }),
      c('datagrams_lost', 'Datagrams lost', 'count', { alarming: true, explain: 'Of the exporters that metered the service' }),
      c('samples_lost', 'Samples lost', 'count', { alarming: true }), c('records_lost', 'Records lost', 'count', { alarming: true, explain: 'Of NetFlow and IPFIX' }),
      s('samples_quarantined', 'Quarantined', 'count', { alarming: true, explain: 'Samples waiting for a decision' }),
    ],
  },
  {
    name: 'top-exporters', tab: 'Exporters', title: 'Top exporters', span: '24h',
    lead: 'What each exporter’s samples and counters came to.', empty: 'No exporter was heard in this range.',
    columns: [
      s('exporter', 'Exporter', 'exporter'), s('bytes_l2', 'Total (L2)', 'bytes'), c('share_percent', 'Share', 'percent'), c('bytes_in_l2', 'In (L2)', 'bytes'), c('bytes_out_l2', 'Out (L2)', 'bytes'),
      s('services', 'Services', 'count'), s('bytes_unattributed_l2', 'Unattributed', 'bytes', { explain: 'Of addresses that no service owns' }),
      s('samples', 'Samples', 'count'), c('error_bound_percent', 'Error ≤', 'bound'), s('datagrams', 'Datagrams', 'count'),
      s('datagrams_lost', 'Lost', 'count', { alarming: true }), c('samples_lost', 'Samples lost', 'count', { alarming: true }), c('samples_quarantined', 'Quarantined', 'count', { alarming: true }),
    ],
  },
  {
    name: 'top-ports', tab: 'Ports', title: 'Top ports', span: '24h', exporter: true,
    lead: 'Each port by its own counters, with the estimate from flow samples beside it.', empty: 'No port told of its counters in this range.',
    columns: [
      s('port', 'Port', 'port'), s('exporter', 'Exporter', 'exporter'), c('service', 'Bills', 'service', { explain: 'The service that is billed by this port’s counters' }),
      s('octets', 'Octets', 'bytes'), s('octets_in', 'In', 'bytes'), s('octets_out', 'Out', 'bytes'), s('use_percent', 'In use', 'percent', { explain: 'Of the speed, in the busier direction, on average' }),
      s('speed', 'Speed', 'speed'), s('ratio_in', 'Ratio in', 'ratio', { explain: 'Flow estimate ÷ octets' }), s('ratio_out', 'Ratio out', 'ratio', { explain: 'Flow estimate ÷ octets' }),
      c('samples_in', 'Samples in', 'count'), c('samples_out', 'Samples out', 'count'), c('resets', 'Resets', 'count', { alarming: true }), c('implausible', 'Implausible', 'count', { alarming: true, explain: 'Readings beyond the port’s speed, not counted' }),
    ],
  },
  {
    name: 'reconciliation', tab: 'Reconciliation', title: 'Reconciliation', span: '24h', exporter: true,
    lead: 'Every closed hour of every port: do its counters and the flow estimate agree?', empty: 'No hour was judged in this range.',
    states: [all('verdicts'), { value: 'off', label: 'Off' }, { value: 'ok', label: 'OK' }, { value: 'unknown', label: 'Unknown' }],
    columns: [
      s('hour', 'Hour (UTC)', 'hour'), s('verdict', 'Verdict', 'verdict'), c('port', 'Port', 'port'), s('exporter', 'Exporter', 'exporter'),
      s('ratio_in', 'Ratio in', 'ratio'), s('ratio_out', 'Ratio out', 'ratio'), s('deviation', 'Off by', 'ratio', { explain: 'The larger distance of the two from 1' }),
      s('octets_in', 'Octets in', 'bytes'), s('flow_in', 'Flow in', 'bytes'), s('octets_out', 'Octets out', 'bytes'), s('flow_out', 'Flow out', 'bytes'),
      c('samples_in', 'Samples in', 'count'), c('samples_out', 'Samples out', 'count'), c('service', 'Bills', 'service'),
    ],
  },
  {
    name: 'sampling-rates', tab: 'Sampling rates', title: 'Sampling rates', span: '24h', exporter: true,
    lead: 'How often each sampling rate was seen at each port. A rate above the usual one is adaptive sampling: the switch samples fewer packets when it is busy.', empty: 'No sampling rate was seen in this range.',
    states: [all('rates'), { value: 'above', label: 'Above the usual' }],
    columns: [
      s('hour', 'Hour (UTC)', 'hour'), c('port', 'Port', 'port'), s('exporter', 'Exporter', 'exporter'), s('rate', 'Rate', 'rate'), c('usual_rate', 'Usual', 'rate'),
      s('samples', 'Samples', 'count'), s('share_percent', 'Share of the hour', 'percent'),
    ],
  },
  {
    name: 'bindings', tab: 'Bindings', title: 'Ports that bill one service', span: '24h', exporter: true,
    lead: 'The services of these ports are billed by the ports’ counters; flows only explain them.', empty: 'No port was bound in this range.',
    columns: [s('service', 'Service', 'service'), c('port', 'Port', 'port'), s('exporter', 'Exporter', 'exporter'), s('since', 'Since', 'time'), s('until', 'Until', 'time')],
  },
  {
    name: 'unattributed', tab: 'Unattributed', title: 'Unattributed traffic', span: '24h', exporter: true, search: 'Address or prefix',
    lead: 'Addresses in your exporters’ traffic that no service owns: machines nobody is billed for, or prefixes not assigned yet.', empty: 'Nothing was seen that no service owns.',
    columns: [
      s('address', 'Address', 'text'), s('bytes_l2', 'L2 bytes', 'bytes'), s('bytes_l3', 'L3 bytes', 'bytes'), s('packets', 'Packets', 'count'), s('samples', 'Samples', 'count'),
      c('exporters', 'Seen by', 'text'), s('hours', 'Hours', 'count'), s('first_hour', 'First hour', 'hour'), s('last_hour', 'Last hour', 'hour'),
    ],
  },
  {
    name: 'ingest', tab: 'Ingest health', title: 'Ingest health', span: '24h', exporter: true,
    lead: 'The whole ledger of what was counted and what is known to be missing, by exporter and hour.', empty: 'No exporter was heard in this range.',
    states: [all('hours'), { value: 'trouble', label: 'With trouble' }],
    columns: [
      s('hour', 'Hour (UTC)', 'hour'), s('exporter', 'Exporter', 'exporter'), s('silent_minutes', 'Silent minutes', 'count', { alarming: true, explain: 'Without a datagram' }),
      s('datagrams', 'Datagrams', 'count', { explain: 'Counted' }), s('datagrams_lost', 'Lost', 'count', { alarming: true, explain: 'Gaps in the datagram sequence' }),
      s('datagrams_duplicate', 'Duplicate', 'count', { explain: 'Received again, dropped' }), s('datagrams_rejected', 'Rejected', 'count', { alarming: true, explain: 'Not decodable, or of another agent' }),
      c('rejected', 'Reasons', 'reasons', { explain: 'Why datagrams, samples and records were refused' }), s('restarts', 'Restarts', 'count', { explain: 'Of the agent' }),
      s('samples', 'Samples', 'count', { explain: 'That passed the count policy' }), c('samples_evidence', 'Evidence', 'count', { explain: 'Seen, but not counted by policy' }),
      c('samples_elsewhere', 'Elsewhere', 'count', { explain: 'Of prefixes attached to another exporter' }), s('samples_lost', 'Samples lost', 'count', { alarming: true, explain: 'Gaps in the sample sequence' }),
      s('samples_dropped', 'Dropped by agent', 'count', { alarming: true, explain: 'The drops field of the samples' }), s('samples_quarantined', 'Quarantined', 'count', { alarming: true, explain: 'Of a rate that cannot be believed' }),
      c('samples_without_ip', 'Without IP', 'count'), c('samples_rejected', 'Bad samples', 'count', { alarming: true }), c('samples_unknown', 'Unknown format', 'count'),
      s('samples_unattributed', 'Unattributed', 'count', { explain: 'Of addresses no service owns' }), s('bytes_unattributed_l2', 'Unattributed bytes', 'bytes'),
      s('records', 'Records', 'count', { explain: 'NetFlow and IPFIX' }), s('records_lost', 'Records lost', 'count', { alarming: true }), s('sets_without_template', 'No template', 'count', { alarming: true, explain: 'Sets never decoded: their template did not come' }),
      c('counter_samples', 'Counter samples', 'count'), c('discard_samples', 'Discard samples', 'count'),
      s('kernel_drops', 'Kernel drops', 'count', { alarming: true, explain: 'Beyond what the socket could hold' }), s('spool_drops', 'Spool drops', 'count', { alarming: true, explain: 'Beyond what the spool could hold while the broker was away' }),
    ],
  },
  {
    name: 'evidence', tab: 'Evidence', title: 'Evidence', span: '24h', exporter: true,
    lead: 'Flows that were kept beside what is billed: of services whose port is bound, or seen by another exporter than the one their prefix is attached to.', empty: 'No evidence was kept in this range.',
    states: [all('reasons'), { value: 'bound', label: 'Bound ports' }, { value: 'attachment', label: 'Attachments' }],
    columns: [
      s('hour', 'Hour (UTC)', 'hour'), s('service', 'Service', 'service'), s('exporter', 'Exporter', 'exporter'), c('reason', 'Because of', 'text'),
      s('bytes_in_l2', 'Seen in', 'bytes'), s('billed_in_l2', 'Billed in', 'bytes'), s('bytes_out_l2', 'Seen out', 'bytes'), s('billed_out_l2', 'Billed out', 'bytes'), c('samples_in', 'Samples in', 'count'), c('samples_out', 'Samples out', 'count'),
    ],
  },
  {
    name: 'corrections', tab: 'Corrections', title: 'Corrections', span: '30d', exporter: true,
    lead: 'Usage that a decision added or took away, by the time of the decision.', empty: 'Nothing was corrected in this range.',
    states: [all('corrections'), { value: 'waiting', label: 'Waiting' }, { value: 'applied', label: 'Applied' }],
    columns: [
      s('created_at', 'Decided', 'time'), s('kind', 'Kind', 'text'), s('service', 'Service', 'service'), s('exporter', 'Exporter', 'exporter'), s('hour', 'Usage of hour', 'hour'),
      s('bytes_in_l2', 'In (L2)', 'bytes'), s('bytes_out_l2', 'Out (L2)', 'bytes'), c('reason', 'Reason', 'text'), s('applied_at', 'Applied', 'time'),
    ],
  },
]

export const reportOf = (name: string): ReportView | undefined => REPORTS.find((r) => r.name === name)

const NUMERIC: Kind[] = ['bytes', 'count', 'percent', 'bound', 'ratio', 'rate', 'speed']
export const isNumeric = (kind: Kind): boolean => NUMERIC.includes(kind)

/** Whether the column is read from its largest value down: a first click sorts it so. */
export const sortsDown = (kind: Kind): boolean => isNumeric(kind) || kind === 'hour' || kind === 'time'

export function reasons(value: unknown): string {
  const pairs = Object.entries((value ?? {}) as Record<string, number>).sort((a, b) => b[1] - a[1])
  return pairs.map(([reason, n]) => `${reason.replaceAll('_', ' ')}: ${count(n)}`).join(', ')
}

export const portName = (row: Row): string => String(row.port || `Interface ${row.if_index}`)

/** A cell as people read it. */
export function cell(column: Column, row: Row): string {
  const value = row[column.key]
  if (column.kind === 'port') return portName(row)
  if (column.kind === 'reasons') return reasons(value) || '–'
  if (value === null || value === undefined || value === '') return '–'
  if (typeof value !== 'number') {
    if (column.kind === 'hour') return `${date(String(value)).slice(5)} ${clock(String(value), false)}`
    return column.kind === 'time' ? dateTime(String(value)) : String(value).replaceAll('_', ' ')
  }
  switch (column.kind) {
    case 'bytes': return bytes(value)
    case 'percent': return percent(value, 1)
    case 'bound': return value === 0 ? 'exact' : `± ${percent(value, 2)}`
    case 'ratio': return value.toFixed(3)
    case 'rate': return value === 0 ? 'none' : `1 in ${count(value)}`
    case 'speed': return value > 0 ? bitRate(value) : 'unknown'
    default: return count(value)
  }
}
