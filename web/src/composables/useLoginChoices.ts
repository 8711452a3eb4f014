import { ref, type Ref } from 'vue'
import type { Api, Customer } from '@/api'
import { useApi } from '@/composables/useApi'

export interface LoginChoices { customers: Ref<Customer[]>; listed: Ref<boolean>; list(): Promise<void> }

/**
 * The customers that a development login can pick from. Only staff may list them, so listing is a short visit as
 * staff; the development login lets anyone be staff anyway.
 */
export function useLoginChoices(): LoginChoices {
  const api = useApi()
  const customers = ref<Customer[]>([])
  const listed = ref(false)
  async function list() {
    customers.value = await visit(api)
    listed.value = true
  }
  return { customers, listed, list }
}

async function visit(api: Api): Promise<Customer[]> {
  await api.login('staff')
  try {
    return (await api.customers({ limit: 500 })).items
  } finally {
    await api.logout()
  }
}
