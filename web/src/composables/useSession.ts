import { computed, shallowRef, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import { ApiProblem, type Api, type Session } from '@/api'
import type { ServerTime } from '@/composables/useServerTime'
import { must } from '@/lib/inject'

export interface SessionStore {
  current: Readonly<Ref<Session | undefined>>
  isStaff: ComputedRef<boolean>
  problem: Readonly<Ref<ApiProblem | undefined>> // why nobody can tell who is there
  load(): Promise<void>
  may(permission: string): boolean
  begin(session: Session): Promise<void> // somebody has just signed in, or is somebody else now
  reload(): Promise<void> // what one may do has changed
  logout(): Promise<void>
  lost(): void
  onLost(react: () => void): void
}

export const sessionKey: InjectionKey<SessionStore> = Symbol('session')

export const useSession = (): SessionStore => must(sessionKey)

export function createSession(api: Api, serverTime: ServerTime): SessionStore {
  const current = shallowRef<Session>()
  const problem = shallowRef<ApiProblem>()
  let known = false
  let react = () => {}

  async function begin(session: Session) {
    if (session.permissions.includes('development')) await serverTime.sync().catch(() => {}) // graphs hear the time from their stream as well
    current.value = session
    known = true
    problem.value = undefined
  }
  async function load() {
    if (known) return
    problem.value = undefined
    try {
      await begin(await api.session())
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) known = true
      else problem.value = error instanceof ApiProblem ? error : new ApiProblem(0, String(error)) // ask again at the next page
    }
  }
  async function reload() {
    await begin(await api.session())
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
    problem,
    load,
    may: (permission) => current.value?.permissions.includes(permission) ?? false,
    begin,
    reload,
    logout,
    lost,
    onLost: (fn) => { react = fn },
  }
}
