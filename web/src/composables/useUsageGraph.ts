import { computed, onScopeDispose, ref, watch, type ComputedRef, type Ref } from 'vue'
import type { Basis, CycleSummary, Slot, Usage } from '@/api'
import { useApi } from '@/composables/useApi'
import { useResource, type Resource } from '@/composables/useResource'
import { useServerTime } from '@/composables/useServerTime'
import { iso, LIVE_SECONDS, rangeOf, type RangeName } from '@/lib/range'
import { eased, fromUsage, merge, slotPoint, type Series } from '@/lib/series'

export interface UsageGraph {
  range: Ref<RangeName>
  basis: Ref<Basis>
  series: ComputedRef<Series | undefined>
  window: ComputedRef<{ from: number; to: number }>
  note: ComputedRef<string | undefined>
  resource: Resource<Usage>
}

const CLOCK_MOVED_MS = 5000
const EDGE_MS = 1000
const CALM_EDGE_MS = 10_000 // for people who asked for less motion

/** A service's series for the chosen range, with the live slots laid over it while the range is live. */
export function useUsageGraph(service: string, firstBasis: Basis, slots: Readonly<Ref<Slot[]>>, cycle: () => CycleSummary | undefined): UsageGraph {
  const api = useApi()
  const time = useServerTime()
  const range = ref<RangeName>('live')
  const basis = ref<Basis>(firstBasis)
  const now = ref(time.now())
  const chosen = () => rangeOf(range.value, time.now(), cycle()?.period)

  const resource = useResource((signal) => {
    const { from, to, step } = chosen()
    return api.usage(service, { from: iso(from), to: iso(to), step, basis: basis.value }, signal)
  }, { refreshMs: () => chosen().refreshMs, on: [range, basis] })

  const edge = setInterval(() => { now.value = time.now() }, matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_EDGE_MS : EDGE_MS)
  onScopeDispose(() => clearInterval(edge))
  watch(slots, () => { now.value = time.now() })
  watch(time.offsetMs, (offset, before) => {
    now.value = time.now()
    if (Math.abs(offset - before) > CLOCK_MOVED_MS) void resource.reload()
  })

  const live = computed(() => range.value === 'live')
  const window = computed(() => {
    const usage = resource.data.value
    if (live.value || !usage) return { from: now.value / 1000 - LIVE_SECONDS, to: now.value / 1000 }
    return { from: Date.parse(usage.from) / 1000, to: Date.parse(usage.to) / 1000 }
  })
  const series = computed(() => {
    const usage = resource.data.value
    if (!usage) return undefined
    const seconds = (live.value ? now.value : time.now()) / 1000
    const base = fromUsage(usage, seconds)
    if (!live.value) return eased(base, seconds)
    const points = slots.value.map((slot) => slotPoint(slot, basis.value, base.step))
    return eased(merge(base, points, window.value.from - base.step), seconds)
  })
  return { range, basis, series, window, note: computed(() => resource.data.value?.resolution_note), resource }
}
