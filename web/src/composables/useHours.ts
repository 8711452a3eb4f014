import { computed, onScopeDispose, ref, type ComputedRef, type WritableComputedRef } from 'vue'
import type { Address } from '@/composables/useAddress'
import { useServerTime } from '@/composables/useServerTime'
import { hoursOf, SPANS, type Hours, type SpanName } from '@/lib/hours'

export interface ChosenHours { span: WritableComputedRef<SpanName>; hours: ComputedRef<Hours>; choose(hours: Hours): void }

const LOOK_EVERY_MS = 30_000

/** The range of hours that a page is about, from its address. */
export function useHours(address: Address, usual: SpanName): ChosenHours {
  const time = useServerTime()
  const hour = ref(Math.floor(time.now() / 3_600_000))
  const timer = setInterval(() => { hour.value = Math.floor(time.now() / 3_600_000) }, LOOK_EVERY_MS)
  onScopeDispose(() => clearInterval(timer))
  const custom = computed(() => (address.get('from') && address.get('to') ? { from: address.get('from'), to: address.get('to') } : undefined))
  const named = computed(() => SPANS.find((s) => s.value === address.get('range'))?.value ?? usual)
  const ended = (name: SpanName) => hoursOf(name === 'custom' ? '24h' : name, hour.value * 3_600_000)
  const hours = computed(() => custom.value ?? ended(named.value))
  const choose = (chosen: Hours) => address.set({ from: chosen.from, to: chosen.to, range: undefined })
  return {
    hours, choose,
    span: computed({
      get: () => (custom.value ? 'custom' : named.value),
      set: (name) => (name === 'custom' ? choose(hours.value) : address.set({ range: name === usual ? undefined : name, from: undefined, to: undefined })),
    }),
  }
}
