import type { Period, Step } from '@/api'

export type RangeName = 'live' | '6h' | '24h' | '7d' | '30d' | 'cycle'

export interface Range { from: number; to: number; step: Step; refreshMs: number }

export const RANGES: { value: RangeName; label: string; title: string }[] = [
  { value: 'live', label: 'Live', title: 'Last 15 minutes, live' },
  { value: '6h', label: '6 h', title: 'Last 6 hours' },
  { value: '24h', label: '24 h', title: 'Last 24 hours' },
  { value: '7d', label: '7 d', title: 'Last 7 days' },
  { value: '30d', label: '30 d', title: 'Last 30 days' },
  { value: 'cycle', label: 'Cycle', title: 'This billing cycle' },
]

export const STEP_SECONDS: Record<Step, number> = { '10s': 10, '1m': 60, '5m': 300, '1h': 3600, '1d': 86_400 }
export const LIVE_SECONDS = 15 * 60

const FIXED: Record<Exclude<RangeName, 'cycle'>, [seconds: number, step: Step, refreshMs: number]> = {
  'live': [LIVE_SECONDS, '10s', 15_000],
  '6h': [6 * 3600, '1m', 20_000],
  '24h': [24 * 3600, '5m', 60_000],
  '7d': [7 * 86_400, '1h', 300_000],
  '30d': [30 * 86_400, '1h', 300_000],
}

/** The span and step of a named range; ends on the step that holds now. */
export function rangeOf(name: RangeName, nowMs: number, cycle?: Period): Range {
  if (name === 'cycle' && cycle) {
    const from = Date.parse(cycle.from) / 1000
    const to = Math.min(Date.parse(cycle.to), nowMs) / 1000
    const step: Step = to - from > 60 * 86_400 ? '1d' : to - from > 2 * 86_400 ? '1h' : '5m'
    return aligned(from, to, step, 60_000)
  }
  const [seconds, step, refreshMs] = FIXED[name === 'cycle' ? '30d' : name]
  return aligned(nowMs / 1000 - seconds, nowMs / 1000, step, refreshMs)
}

function aligned(from: number, to: number, step: Step, refreshMs: number): Range {
  const size = STEP_SECONDS[step]
  const end = Math.max(Math.ceil(to / size), Math.floor(from / size) + 1) * size
  return { from: Math.floor(from / size) * size, to: end, step, refreshMs }
}

export const iso = (seconds: number) => new Date(seconds * 1000).toISOString()
