import { computed, ref, watch, type ComputedRef, type Ref, type WatchSource } from 'vue'
import type { List } from '@/api'
import { useResource, type Resource } from '@/composables/useResource'

export interface Pages<T> {
  items: ComputedRef<T[] | undefined>
  problem: Resource<List<T>>['problem']
  loading: Resource<List<T>>['loading']
  reload(): Promise<void>
  number: Ref<number> // of the page shown, from 1
  hasNext: ComputedRef<boolean>
  next(): void
  previous(): void
}

/** A long list, one page at a time. It remembers the cursors of the pages already seen. */
export function usePages<T>(
  ask: (cursor: string | undefined, signal: AbortSignal) => Promise<List<T>>,
  options: { refreshMs?: number; on?: WatchSource<unknown>[] } = {},
): Pages<T> {
  const cursors = ref<(string | undefined)[]>([undefined])
  const number = ref(1)
  const resource = useResource((signal) => ask(cursors.value[number.value - 1], signal), {
    refreshMs: () => options.refreshMs ?? 0,
    on: [number, ...(options.on ?? [])],
  })
  if (options.on) watch(options.on, () => { cursors.value = [undefined]; number.value = 1 }, { flush: 'sync' })
  return {
    items: computed(() => resource.data.value?.items),
    problem: resource.problem,
    loading: resource.loading,
    reload: resource.reload,
    number,
    hasNext: computed(() => Boolean(resource.data.value ? resource.data.value.next_cursor : cursors.value[number.value])), // while a page comes: as it was
    next() {
      const cursor = resource.data.value?.next_cursor
      if (!cursor) return
      cursors.value[number.value] = cursor
      number.value++
    },
    previous() { number.value = Math.max(1, number.value - 1) },
  }
}
