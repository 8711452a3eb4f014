import { computed, ref, shallowRef, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import { ApiProblem, type Api, type Session } from '@/api'
import type { ServerTime } from '@/composables/useServerTime'
import { createDrafts, type Drafts } from '@/lib/drafts'
import { must } from '@/lib/inject'
import type { Tabs } from '@/lib/tabs'

/** What another tab changed: the person, or only the account. */
export interface Switch { person: boolean }

export interface SessionStore {
  current: Readonly<Ref<Session | undefined>>
  isStaff: ComputedRef<boolean>
  problem: Readonly<Ref<ApiProblem | undefined>> // why nobody can tell who is there
  ended: Readonly<Ref<boolean>> // while somebody was at work
  switched: Readonly<Ref<Switch | undefined>> // the last time that another tab brought somebody else, or another account
  load(): Promise<void>
  may(permission: string): boolean
  begin(session: Session): Promise<void> // somebody has just signed in, or is somebody else now
  reload(): Promise<void> // what one may do has changed
  logout(): Promise<void>
  lost(): void
  follow(waiting?: boolean): Promise<void> // another tab has changed who is there; waiting: this one stands where people log in
  shown(): string // whom the pages show: the person and, after a slash, the account
  drafts: Drafts // what was typed when a session ended
  drafter(): string // whose they are; empty: nobody's
  onLost(react: () => void): void
  onSwitched(react: () => void): void
}

/** The session in short: a page of one is no page of another. */
export const shownOf = (s: Session | undefined): string => (s?.person_id ? s.person_id + (s.customer_id ? `/${s.customer_id}` : '') : '')

// Who looks at an account as somebody else leaves that person nothing behind.
const drafterOf = (s: Session | undefined): string => (s?.impersonated ? '' : shownOf(s))

export const sessionKey: InjectionKey<SessionStore> = Symbol('session')

export const useSession = (): SessionStore => must(sessionKey)

export function createSession(api: Api, serverTime: ServerTime, tabs: Tabs): SessionStore {
  const current = shallowRef<Session>()
  const problem = shallowRef<ApiProblem>()
  const ended = ref(false), switched = shallowRef<Switch>()
  const drafts = createDrafts()
  let known = false
  let react = () => {}, reactToSwitch = () => {}

  async function begin(session: Session) {
    const before = shownOf(current.value)
    await take(session)
    if (shownOf(session) !== before) tabs.tell()
  }
  async function take(session: Session) {
    if (session.permissions.includes('development')) await serverTime.sync().catch(() => {}) // graphs hear the time from their stream as well
    drafts.only(drafterOf(session))
    current.value = session
    known = true
    problem.value = undefined
    ended.value = false
  }
  async function load() {
    if (known) return
    problem.value = undefined
    try {
      await take(await api.session())
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) known = true
      else problem.value = error instanceof ApiProblem ? error : new ApiProblem(0, String(error)) // ask again at the next page
    }
  }
  async function reload() {
    await take(await api.session())
  }
  async function logout() {
    try {
      await api.logout()
    } catch (error) {
      if (!(error instanceof ApiProblem && error.status === 401)) throw error // over already is as good as ended
    }
    current.value = undefined
    drafts.only('')
    tabs.tell()
  }
  function lost() {
    drafts.keep(drafterOf(current.value))
    ended.value ||= current.value !== undefined
    current.value = undefined
    react()
  }
  // In another tab, which tells. That is no accident: nothing is kept.
  function loggedOut() {
    if (current.value) lost()
    drafts.only('')
  }
  async function follow(waiting = false) {
    const before = shownOf(current.value)
    if (!before && !waiting) return // a page of nobody's stays one
    try {
      await take(await api.session())
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) loggedOut() // else the next request finds out
      return
    }
    if (shownOf(current.value) === before) return
    if (before) switched.value = { person: current.value?.person_id !== before.split('/')[0] }
    reactToSwitch()
  }
  return {
    current,
    isStaff: computed(() => current.value?.role === 'staff'),
    problem,
    ended,
    switched,
    load,
    may: (permission) => current.value?.permissions.includes(permission) ?? false,
    begin,
    reload,
    logout,
    lost,
    follow,
    shown: () => shownOf(current.value),
    drafts,
    drafter: () => drafterOf(current.value),
    onLost: (fn) => { react = fn },
    onSwitched: (fn) => { reactToSwitch = fn },
  }
}
