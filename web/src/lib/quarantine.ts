import type { Decision, QuarantineGroup } from '@/api'
import { clock, date } from '@/lib/format'

const HOUR = 3_600_000

/** The order that decides about a group: exactly its hours, service and rate. */
export const decisionOf = (group: QuarantineGroup, reason: string): Decision => ({
  exporter: group.exporter_id, service: group.service_id, rate: group.rate, reason,
  from: group.first_hour, to: new Date(Date.parse(group.last_hour) + HOUR).toISOString(),
})

export const keyOf = (group: QuarantineGroup): string => `${group.exporter_id}/${group.service_id}/${group.rate}`

/** From the beginning of the first hour to the end of the last; the day of the end only where it is another. */
export function spanOf(group: Pick<QuarantineGroup, 'first_hour' | 'last_hour'>): string {
  const end = Date.parse(group.last_hour) + HOUR
  const day = (time: string | number) => date(time).slice(5)
  const until = day(end) === day(group.first_hour) ? clock(end, false) : `${day(end)} ${clock(end, false)}`
  return `${day(group.first_hour)} ${clock(group.first_hour, false)} – ${until}`
}

/** Lengths times a rate are bytes, as the meter scales them. */
export function worth(groups: QuarantineGroup[], rate: number): { inL2: number; outL2: number; samples: number } {
  const sum = (of: (g: QuarantineGroup) => number) => groups.reduce((n, g) => n + of(g), 0)
  return { inL2: sum((g) => g.frame_length_in) * rate, outL2: sum((g) => g.frame_length_out) * rate, samples: sum((g) => g.samples) }
}

/** The rate to propose: what most of the exporters' samples were taken at, when they agree. */
export function proposed(groups: QuarantineGroup[]): string {
  const rates = new Set(groups.map((g) => g.usual_rate))
  const [rate] = rates
  return rates.size === 1 && rate ? String(rate) : ''
}

export const RATE_WORDS = 'A whole number from 1 to 4,294,967,295.'
export const isRate = (text: string): boolean => /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 4_294_967_295
