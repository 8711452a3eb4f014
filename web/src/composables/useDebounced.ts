import { onScopeDispose, ref, watch, type Ref } from 'vue'

/** Follows a value once it has been still for a while. */
export function useDebounced<T>(source: Ref<T>, ms: number): Readonly<Ref<T>> {
  const still = ref(source.value) as Ref<T>
  let timer = 0
  watch(source, (value) => {
    clearTimeout(timer)
    timer = window.setTimeout(() => { still.value = value }, ms)
  })
  onScopeDispose(() => clearTimeout(timer))
  return still
}
