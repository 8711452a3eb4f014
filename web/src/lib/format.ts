// Numbers and times as people read them. Bytes are decimal (1 TB = 10¹² B), as plans and invoices count them.

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E']

/** Scales by thousands and keeps three digits that count; "1000 k" becomes "1 M". */
export function scaled(value: number): [number: string, prefix: string] {
  if (!Number.isFinite(value)) return ['–', '']
  let n = Math.abs(value), i = 0
  while (i < PREFIXES.length - 1 && Number(n.toPrecision(3)) >= 1000) { n /= 1000; i++ }
  return [String(Math.sign(value) * Number(n.toPrecision(3))), PREFIXES[i]!]
}

/** Three digits, cut and not rounded, so that a quota never looks reached before it is. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  let n = Math.abs(value), i = 0
  while (i < PREFIXES.length - 1 && n >= 1000) { n /= 1000; i++ }
  const places = n >= 100 ? 0 : n >= 10 ? 1 : 2
  const cut = Math.floor(Number((n * 10 ** places).toPrecision(12))) / 10 ** places
  return `${Math.sign(value) * cut} ${PREFIXES[i]}B`
}

export function bitRate(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  const [n, prefix] = scaled(value)
  return `${n} ${prefix}bit/s`
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString('en-GB')
}

/** A frequency, with a decimal only where it says something. */
export function perSecond(value: number): string {
  return `${value.toLocaleString('en-GB', { maximumFractionDigits: value < 10 ? 1 : 0 })}/s`
}

export function percent(value: number | null | undefined, digits = 1): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  if (value > 0 && value < 10 ** -digits) return `< ${10 ** -digits} %`
  return `${value.toLocaleString('en-GB', { maximumFractionDigits: digits })} %`
}

export function share(part: number, whole: number, digits = 1): string {
  return whole > 0 ? percent(part / whole * 100, digits) : '–'
}

/** The amount stays the decimal string it came as: money is never put through a float. */
export function money({ amount, currency }: { amount: string; currency: string }): string {
  const [whole = '0', fraction] = amount.split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',')
  return `${grouped}${fraction ? '.' + fraction : ''} ${currency}`.replace(/^-/, '−')
}

/** Drops the zeros a fixed-scale decimal ends with. */
export function decimal(value: string): string {
  return value.includes('.') ? value.replace(/\.?0+$/, '') : value
}

const pad = (n: number) => String(n).padStart(2, '0')

export function date(time: string | number | Date): string {
  const t = new Date(time)
  return Number.isNaN(t.getTime()) ? '–' : `${t.getUTCFullYear()}-${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())}`
}

export function clock(time: string | number | Date, seconds = true): string {
  const t = new Date(time)
  if (Number.isNaN(t.getTime())) return '–'
  return `${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}${seconds ? ':' + pad(t.getUTCSeconds()) : ''}`
}

export function dateTime(time: string | number | Date): string {
  return Number.isNaN(new Date(time).getTime()) ? '–' : `${date(time)} ${clock(time, false)} UTC`
}

/** A half-open period of whole days by its first and last day; otherwise by both instants. */
export function period(value: { from: string; to: string }): string {
  const from = new Date(value.from), to = new Date(value.to)
  const wholeDays = [from, to].every((t) => t.getTime() % 86_400_000 === 0)
  if (!wholeDays) return `${dateTime(from)} – ${dateTime(to)}`
  return `${date(from)} – ${date(to.getTime() - 1)}`
}

export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000))
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}
