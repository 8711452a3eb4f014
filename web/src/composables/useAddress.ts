import { computed, type ComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export interface Address {
  get(name: string): string
  set(values: Record<string, string | undefined>): void
  text: ComputedRef<string>
}

/** What a page shows stands in its address, so that it can be kept, sent and gone back to. */
export function useAddress(): Address {
  const route = useRoute()
  const router = useRouter()
  const get = (name: string) => { const value = route.query[name]; return typeof value === 'string' ? value : '' }
  function set(values: Record<string, string | undefined>) {
    const query = { ...route.query, ...values }
    for (const name of Object.keys(query)) if (!query[name]) delete query[name]
    void router.replace({ query })
  }
  return { get, set, text: computed(() => JSON.stringify(route.query)) }
}
