import { onScopeDispose, ref, type Ref } from 'vue'
import { useRoute } from 'vue-router'
import { useSession } from '@/composables/useSession'

export interface Draft<T> {
  given: Readonly<Ref<boolean>> // the form shows what was typed before
  take(): T | undefined // once, when the form is ready for it
  saved(): void // at once, before anything is read anew
}

/**
 * Keeps what a form holds when the session ends under it, and gives it back when the same person and account are here again
 * (lib/drafts.ts). read gives what was typed and not saved, else undefined. Never for passwords, codes or other secrets.
 */
export function useDraft<T>(form: string, read: () => T | undefined): Draft<T> {
  const { drafts, drafter } = useSession()
  const place = `${useRoute().path} ${form}`
  const whose = drafter()
  const given = ref(false)
  let done: string | undefined // what was saved, which a form still holds until it has read that
  onScopeDispose(drafts.watch(place, () => {
    const typed = read()
    return typed !== undefined && JSON.stringify(typed) === done ? undefined : typed
  }))
  function take() {
    const draft = drafts.take(whose, place) as T | undefined
    given.value = draft !== undefined
    return draft
  }
  function saved() {
    done = JSON.stringify(read())
    drafts.forget(whose, place)
    given.value = false
  }
  return { given, take, saved }
}
