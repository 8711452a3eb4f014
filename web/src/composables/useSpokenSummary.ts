import { computed, onScopeDispose, ref, type ComputedRef, type Ref } from 'vue'
import { bitRate } from '@/lib/format'
import { RANGES, type RangeName } from '@/lib/range'
import { stats, type Series } from '@/lib/series'

const SPEAK_EVERY_MS = 60_000

/** What the graph shows, in a sentence: its label, and now and then an announcement while it is live. */
export function useSpokenSummary(name: () => string, range: Ref<RangeName>, series: ComputedRef<Series | undefined>): { label: ComputedRef<string>; spoken: Ref<string> } {
  const sentence = computed(() => {
    if (!series.value?.points.length) return 'No traffic is known.'
    const [rx, tx] = [stats(series.value, 'in'), stats(series.value, 'out')]
    return `In now ${bitRate(rx.last)}, highest ${bitRate(rx.max)}. Out now ${bitRate(tx.last)}, highest ${bitRate(tx.max)}.`
  })
  const title = computed(() => RANGES.find((r) => r.value === range.value)?.title ?? '')
  const spoken = ref('')
  const timer = setInterval(() => { if (range.value === 'live' && !document.hidden) spoken.value = sentence.value }, SPEAK_EVERY_MS)
  onScopeDispose(() => clearInterval(timer))
  return { label: computed(() => `Traffic of ${name()}. ${title.value}. ${sentence.value} Arrow keys walk through the values.`), spoken }
}
