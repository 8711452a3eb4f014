import type { PortHour, RateHour } from '@/api'
import type { Series } from '@/lib/series'

const HOUR = 3600

/** Octets of the port's counters (in) beside the flow estimate (out) of one direction, as rates; only whole hours. */
export function compared(hours: PortHour[], direction: 'in' | 'out', from: number, to: number, now: number): Series {
  const byHour = new Map(hours.map((h) => [Date.parse(h.hour) / 1000, h]))
  const points: Series['points'] = []
  for (let t = from; t + HOUR <= Math.min(to, now); t += HOUR) {
    const h = byHour.get(t)
    if (h) points.push({ t, in: h.readings > 0 ? h[`octets_${direction}`] * 8 / HOUR : null, out: flow(h, direction) * 8 / HOUR, gap: h.gap_seconds > 0 || h.resets > 0 })
    else points.push({ t, in: null, out: null, gap: false })
  }
  return { step: HOUR, points }
}

/** Samples taken at the port speak for it; where there are none, those of the other ports do. */
export const flow = (h: PortHour, direction: 'in' | 'out'): number => (h[`samples_${direction}`] > 0 ? h[`flow_${direction}`] : h[`flow_${direction}_elsewhere`])

export interface RateShare { rate: number; samples: number; share: number; hours: number; above: boolean }

/** The histogram of the whole range, lowest rate first. */
export function histogram(rows: RateHour[]): RateShare[] {
  const byRate = new Map<number, RateShare>()
  let total = 0
  for (const row of rows) {
    const found = byRate.get(row.rate) ?? { rate: row.rate, samples: 0, share: 0, hours: 0, above: row.above_usual }
    byRate.set(row.rate, { ...found, samples: found.samples + row.samples, hours: found.hours + 1 })
    total += row.samples
  }
  return [...byRate.values()].map((r) => ({ ...r, share: r.samples / total })).sort((a, b) => a.rate - b.rate)
}
