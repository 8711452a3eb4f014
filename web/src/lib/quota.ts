import type { CycleSummary } from '@/api'

export interface QuotaScale {
  used: number       // share of the quota, 1 = all of it
  width: number      // of the bar, 0 … 1
  mark: number       // where 100 % stands on the bar, 0 … 1
  ticks: { threshold: number; at: number; reached: boolean }[]
  projected?: number // where the projection stands on the bar, 0 … 1
  level: 'ok' | 'near' | 'over'
}

/** The bar is as long as the largest of quota, usage and (up to twice the quota) projection. */
export function quotaScale(cycle: CycleSummary): QuotaScale | undefined {
  const quota = cycle.quota_bytes
  if (!quota) return undefined
  const used = cycle.billable_bytes / quota
  const projection = cycle.projected_bytes === undefined ? undefined : cycle.projected_bytes / quota
  const full = Math.max(1, used, Math.min(projection ?? 0, 2), ...cycle.thresholds.map((t) => t / 100))
  const first = Math.min(...cycle.thresholds, 100) / 100
  return {
    used,
    width: Math.min(1, used / full),
    mark: 1 / full,
    ticks: cycle.thresholds.map((t) => ({ threshold: t, at: t / 100 / full, reached: used * 100 >= t })),
    projected: projection === undefined ? undefined : Math.min(1, projection / full),
    level: used >= 1 ? 'over' : used >= first ? 'near' : 'ok',
  }
}
