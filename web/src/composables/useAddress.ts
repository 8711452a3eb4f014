import { computed, ref, watch, type Ref, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { useDebounced } from '@/composables/useDebounced'
import { placeless } from '@/lib/place'

export interface Address {
  get(name: string): string
  set(values: Record<string, string | undefined>): void // other things are asked for: lists begin anew
  field(name: string): WritableComputedRef<string>
  typed(name: string): Ref<string>
}

/** What a page shows stands in its address, so that it can be kept, sent and gone back to. */
export function useAddress(): Address {
  const route = useRoute()
  const router = useRouter()
  const get = (name: string) => { const value = route.query[name]; return typeof value === 'string' ? value : '' }
  function set(values: Record<string, string | undefined>) {
    const query = placeless({ ...route.query, ...values })
    for (const name of Object.keys(query)) if (!query[name]) delete query[name]
    void router.replace({ query, state: { trails: null } })
  }
  const field = (name: string) => computed({ get: () => get(name), set: (value: string) => set({ [name]: value }) })
  // Text that is typed: the address follows once it has been still for a while, and it follows the address, but for what it sent there itself.
  function typed(name: string): Ref<string> {
    const text = ref(get(name))
    const still = useDebounced(text, 250)
    let sent: string | undefined
    watch(still, (value) => { if (value.trim() !== get(name)) set({ [name]: sent = value.trim() }) })
    watch(() => get(name), (value) => {
      if (value !== sent) text.value = value
      sent = undefined
    })
    return text
  }
  return { get, set, field, typed }
}
