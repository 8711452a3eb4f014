import { shallowRef, watch, type Ref } from 'vue'
import { useRouter } from 'vue-router'
import type { OwnAccount } from '@/api'
import { useApi } from '@/composables/useApi'
import { useSession } from '@/composables/useSession'

/** The accounts that a person can look at, and the way to another. */
export function useOwnAccounts(): { accounts: Readonly<Ref<OwnAccount[]>>; choose(customer: string): Promise<void> } {
  const api = useApi()
  const session = useSession()
  const router = useRouter()
  const accounts = shallowRef<OwnAccount[]>([])
  const whose = () => { const s = session.current.value; return s && !s.impersonated && s.role === 'customer' ? `${s.person_id} ${s.customer_id} ${s.account}` : '' }
  watch(whose, async (person) => {
    const found = person ? await api.ownAccounts().catch(() => []) : [] // without them there is nothing to switch to
    if (person === whose()) accounts.value = found
  }, { immediate: true })
  async function choose(customer: string) {
    await session.begin(await api.chooseAccount(customer))
    await router.push('/')
  }
  return { accounts, choose }
}
