import { onScopeDispose, ref, shallowRef, watch, type Ref, type WatchSource } from 'vue'
import { ApiProblem } from '@/api'

export interface Resource<T> {
  data: Readonly<Ref<T | undefined>>
  problem: Readonly<Ref<ApiProblem | undefined>>
  loading: Readonly<Ref<boolean>>
  reload(): Promise<void>
}

export interface ResourceOptions {
  refreshMs?: () => number // 0: only when asked; read before each wait
  on?: WatchSource<unknown>[] // what the question depends on; a change asks anew and forgets the old answer
}

/**
 * Asks, keeps the newest answer, and asks again every so often while the page is visible. A failed refresh
 * keeps the answer that was there and tells of the problem beside it.
 */
export function useResource<T>(ask: (signal: AbortSignal) => Promise<T>, options: ResourceOptions = {}): Resource<T> {
  const data = shallowRef<T>()
  const problem = shallowRef<ApiProblem>()
  const loading = ref(false)
  let running: AbortController | undefined
  let timer = 0

  async function reload() {
    running?.abort()
    clearTimeout(timer)
    const mine = running = new AbortController()
    loading.value = true
    try {
      const answer = await ask(mine.signal)
      if (mine.signal.aborted) return
      data.value = answer
      problem.value = undefined
    } catch (error) {
      if (mine.signal.aborted) return
      problem.value = error instanceof ApiProblem ? error : new ApiProblem(0, error instanceof Error ? error.message : String(error))
    } finally {
      if (running === mine) {
        loading.value = false
        schedule()
      }
    }
  }
  function schedule() {
    const wait = options.refreshMs?.() ?? 0
    if (wait > 0 && !document.hidden) timer = window.setTimeout(() => void reload(), wait)
  }
  function onVisibility() {
    clearTimeout(timer)
    if (!document.hidden && options.refreshMs?.()) void reload()
  }

  document.addEventListener('visibilitychange', onVisibility)
  onScopeDispose(() => {
    document.removeEventListener('visibilitychange', onVisibility)
    clearTimeout(timer)
    running?.abort()
    running = undefined
  })
  if (options.on) {
    watch(options.on, () => {
      data.value = undefined
      void reload()
    })
  }
  void reload()
  return { data, problem, loading, reload }
}
