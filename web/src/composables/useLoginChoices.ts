import { ref, type Ref } from 'vue'
import type { Customer } from '@/api'
import { useApi } from '@/composables/useApi'

/** The customers a development login can pick from. Where the list is refused, an address can still be typed. */
export function useLoginChoices(): { customers: Ref<Customer[]>; listed: Ref<boolean> } {
  const customers = ref<Customer[]>([])
  const listed = ref(false)
  useApi().customers({ limit: 500 }).then((list) => {
    customers.value = list.items
    listed.value = true
  }, () => {})
  return { customers, listed }
}
