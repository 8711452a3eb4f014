import { computed, shallowRef, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import { ApiProblem, type Api, type Role, type Session } from '@/api'
import type { ServerTime } from '@/composables/useServerTime'
import { must } from '@/lib/inject'

export interface SessionStore {
  current: Readonly<Ref<Session | undefined>>
  isStaff: ComputedRef<boolean>
  load(): Promise<void>
  login(role: Role, customer?: string): Promise<void>
  logout(): Promise<void>
  lost(): void
  onLost(react: () => void): void
}

export const sessionKey: InjectionKey<SessionStore> = Symbol('session')

export const useSession = (): SessionStore => must(sessionKey)

export function createSession(api: Api, serverTime: ServerTime): SessionStore {
  const current = shallowRef<Session>()
  let known = false
  let react = () => {}

  async function begin(session: Session) {
    if (session.development && session.role === 'staff') await serverTime.sync().catch(() => {}) // graphs hear the time from their stream as well
    current.value = session
    known = true
  }
  async function load() {
    if (known) return
    try {
      await begin(await api.session())
    } catch (problem) {
      if (!(problem instanceof ApiProblem) || problem.status !== 401) return // ask again at the next page
      known = true
    }
  }
  async function logout() {
    await api.logout()
    current.value = undefined
  }
  function lost() {
    current.value = undefined
    react()
  }
  return {
    current,
    isStaff: computed(() => current.value?.role === 'staff'),
    load,
    login: async (role, customer) => begin(await api.login(role, customer)),
    logout,
    lost,
    onLost: (fn) => { react = fn },
  }
}
