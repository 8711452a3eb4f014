import type { Basis, Slot, Usage } from '@/api'

/** One step of the graph: t in Unix seconds at its start, rates in bit/s, null where nothing is known. */
export interface Point {
  t: number
  in: number | null
  out: number | null
  gap: boolean
  whole?: { in: number; out: number } // of a step that is not over: its rates over the whole step
}

export interface Series { step: number; points: Point[] }

export interface Stats { last: number | null; mean: number | null; max: number | null; bytes: number }

const MIN_ELAPSED_SECONDS = 2
const LAG_SECONDS = 1.5 // what the pipeline holds at any moment

/** What the API answered, oldest first, as rates over whole steps. Steps that lie in the future are dropped. */
export function fromUsage(usage: Usage, now: number): Series {
  const points = usage.points.map((p) => ({ t: Date.parse(p.t) / 1000, in: p.in, out: p.out, gap: p.gap }))
  return { step: usage.step_seconds, points: points.filter((p) => p.t < now) }
}

/** Bytes of one slot as a rate over the whole slot. */
export function slotPoint(slot: Slot, basis: Basis, step: number): Point {
  const [bytesIn, bytesOut] = basis === 'l2' ? [slot.in_l2, slot.out_l2] : [slot.in_l3, slot.out_l3]
  return { t: Date.parse(slot.t) / 1000, in: bytesIn * 8 / step, out: bytesOut * 8 / step, gap: false }
}

/**
 * The newest step is not over. For the part of it that is to come, the step before speaks; where there is none,
 * its bytes are spread over the time that has passed. Without this every graph would end in a fall.
 */
export function eased(series: Series, now: number): Series {
  const last = series.points.at(-1), { step } = series
  if (!last || last.t + step <= now || last.in === null || last.out === null) return series
  const before = series.points.at(-2)
  const gone = Math.min(1, Math.max(0, (now - last.t - LAG_SECONDS) / step))
  const stretch = step / Math.min(step, Math.max(MIN_ELAPSED_SECONDS, now - last.t))
  const known = before !== undefined && before.t === last.t - step
  const ease = (rate: number, previous: number | null | undefined) =>
    known && typeof previous === 'number' ? rate + previous * (1 - gone) : rate * stretch
  const point = { ...last, in: ease(last.in, before?.in), out: ease(last.out, before?.out), whole: { in: last.in, out: last.out } }
  return { step, points: [...series.points.slice(0, -1), point] }
}

/**
 * Lays live slots over what the API answered. A slot replaces its step but keeps the gap mark: known loss
 * stays known. Points before `from` leave the graph.
 */
export function merge(series: Series, live: Point[], from: number): Series {
  const byTime = new Map(series.points.map((p) => [p.t, p]))
  for (const point of live) {
    const known = byTime.get(point.t)
    byTime.set(point.t, known?.gap ? { ...point, gap: true } : point)
  }
  const points = [...byTime.values()].filter((p) => p.t >= from).sort((a, b) => a.t - b.t)
  return { step: series.step, points }
}

export type Span = [from: number, to: number]

/** Half-open spans in which nothing is known: steps without values, and steps that are missing altogether. */
export function holes(series: Series): Span[] {
  return spansOf(series, (p) => p.in === null || p.out === null, true)
}

/** Half-open spans with values that are known to be too low, because some data was lost. */
export function losses(series: Series): Span[] {
  return spansOf(series, (p) => p.gap && p.in !== null && p.out !== null, false)
}

function spansOf(series: Series, matches: (p: Point) => boolean, missing: boolean): Span[] {
  const spans: Span[] = []
  const add = (from: number, to: number) => {
    const last = spans.at(-1)
    if (last && from <= last[1]) last[1] = Math.max(last[1], to)
    else spans.push([from, to])
  }
  series.points.forEach((p, i) => {
    const previous = series.points[i - 1]
    if (missing && previous && p.t > previous.t + series.step) add(previous.t + series.step, p.t)
    if (matches(p)) add(p.t, p.t + series.step)
  })
  return spans
}

/** Columns for the plot. A hole in time gets a null, so that no line is drawn across it. */
export function columns(series: Series, mirrored: boolean): [number[], (number | null)[], (number | null)[]] {
  const t: number[] = [], rx: (number | null)[] = [], tx: (number | null)[] = []
  let previous: Point | undefined
  for (const p of series.points) {
    if (previous && p.t > previous.t + series.step) { t.push(previous.t + series.step); rx.push(null); tx.push(null) }
    t.push(p.t)
    rx.push(p.in)
    tx.push(p.out === null ? null : mirrored ? -p.out : p.out)
    previous = p
  }
  return [t, rx, tx]
}

export function stats(series: Series, direction: 'in' | 'out'): Stats {
  const known = series.points.filter((p) => p[direction] !== null)
  if (known.length === 0) return { last: null, mean: null, max: null, bytes: 0 }
  const rates = known.map((p) => p[direction] as number)
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
  const whole = known.map((p) => p.whole?.[direction] ?? p[direction] as number)
  return { last: rates.at(-1) ?? null, mean: sum(rates) / rates.length, max: Math.max(...rates), bytes: sum(whole) * series.step / 8 }
}
