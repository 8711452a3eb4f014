import { onScopeDispose, shallowRef, type Ref } from 'vue'
import { ApiProblem, type SignIn } from '@/api'
import { useApi } from '@/composables/useApi'
import { useAttempt, type Attempt } from '@/composables/useAttempt'
import { askPasskey, autofillWorks, passkeysWork } from '@/lib/webauthn'

const RENEW_MS = 4 * 60_000 // options are good for five minutes

export interface PasskeyLogin { works: boolean; busy: Attempt['busy']; problem: Attempt['problem']; press(): Promise<boolean>; offer(): void; stop(): void }

/**
 * Signs in by a passkey: at the press of a button, and out of the list that browsers show below a field for as long as
 * nothing else was begun.
 */
export function usePasskeyLogin(done: (answer: SignIn) => Promise<void>, remember: () => boolean, within: Readonly<Ref<HTMLElement | undefined>>): PasskeyLogin {
  const api = useApi()
  const { busy, problem, run } = useAttempt(within)
  const offered = shallowRef<AbortController>()
  let timer = 0

  function stop() {
    clearTimeout(timer)
    offered.value?.abort()
    offered.value = undefined
  }
  function press() {
    stop()
    return run(async () => {
      const { options } = await api.beginPasskeySignIn()
      await done(await api.signInPasskey(await askPasskey(options), remember()))
    })
  }
  // That nothing can be offered is no reason to say anything: the button is there.
  async function offering() {
    const mine = offered.value = new AbortController()
    let response: unknown
    try {
      if (!await autofillWorks() || mine.signal.aborted) return
      const { options } = await api.beginPasskeySignIn(mine.signal)
      timer = window.setTimeout(() => { stop(); offer() }, RENEW_MS)
      response = await askPasskey(options, { signal: mine.signal, autofill: true })
    } catch {
      return
    }
    clearTimeout(timer)
    await run(async () => done(await api.signInPasskey(response, remember())))
    if (problem.value instanceof ApiProblem && problem.value.status === 401) offer()
  }
  function offer() {
    void offering()
  }
  onScopeDispose(stop)
  return { works: passkeysWork(), busy, problem, press, offer, stop }
}
