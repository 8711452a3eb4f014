import { onScopeDispose, ref, type Ref } from 'vue'
import { useServerTime } from '@/composables/useServerTime'

/** The platform's time in milliseconds, moving every so often. */
export function useNow(everyMs = 1000): Readonly<Ref<number>> {
  const time = useServerTime()
  const now = ref(time.now())
  const timer = setInterval(() => { now.value = time.now() }, everyMs)
  onScopeDispose(() => clearInterval(timer))
  return now
}
