// Ranges of whole hours, as reports take them, and how they stand in the address of a page.

export type SpanName = '24h' | '7d' | '30d' | 'month' | 'last-month' | 'custom'
export interface Hours { from: string; to: string } // RFC 3339, whole hours UTC, to exclusive

export const SPANS: { value: SpanName; label: string; title: string }[] = [
  { value: '24h', label: '24 h', title: 'Last 24 hours, the running one included' },
  { value: '7d', label: '7 d', title: 'Last 7 days' },
  { value: '30d', label: '30 d', title: 'Last 30 days' },
  { value: 'month', label: 'Month', title: 'This calendar month' },
  { value: 'last-month', label: 'Last month', title: 'The calendar month before' },
  { value: 'custom', label: 'Custom', title: 'Any whole hours' },
]

const HOUR = 3_600_000
const LENGTH: Partial<Record<SpanName, number>> = { '24h': 24 * HOUR, '7d': 168 * HOUR, '30d': 720 * HOUR }

const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')

/** A named span that ends with the hour that now is in; a custom one has hours of its own. */
export function hoursOf(name: Exclude<SpanName, 'custom'>, nowMs: number): Hours {
  const end = Math.floor(nowMs / HOUR) * HOUR + HOUR
  const length = LENGTH[name]
  if (length) return { from: iso(end - length), to: iso(end) }
  const now = new Date(nowMs)
  const month = (n: number) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n, 1)
  return name === 'month' ? { from: iso(month(0)), to: iso(end) } : { from: iso(month(-1)), to: iso(month(0)) }
}

/** The value of a datetime-local field, taken as UTC; undefined for what is no whole hour. */
export function fromField(value: string): string | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:00$/.test(value)) return undefined
  const ms = Date.parse(value + ':00Z')
  return Number.isNaN(ms) ? undefined : iso(ms)
}

export const toField = (time: string): string => time.slice(0, 16)
