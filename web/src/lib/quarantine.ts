import type { Decision, QuarantineGroup } from '@/api'

const HOUR = 3_600_000

/** The order that decides about a group: exactly its hours, service and rate. */
export const decisionOf = (group: QuarantineGroup, reason: string): Decision => ({
  exporter: group.exporter_id, service: group.service_id, rate: group.rate, reason,
  from: group.first_hour, to: new Date(Date.parse(group.last_hour) + HOUR).toISOString(),
})

export const keyOf = (group: QuarantineGroup): string => `${group.exporter_id}/${group.service_id}/${group.rate}`

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

export const isRate = (text: string): boolean => /^[1-9]\d{0,9}$/.test(text) && Number(text) <= 4_294_967_295
