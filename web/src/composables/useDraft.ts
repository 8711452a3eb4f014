import { onScopeDispose, ref, type Ref } from 'vue'
import { useRoute } from 'vue-router'
import { useSession } from '@/composables/useSession'

export interface Draft<T> {
  given: Readonly<Ref<boolean>> // the form shows what was typed before
  take(): T | undefined // once, when the form is ready for it
  saved(): void
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
  onScopeDispose(drafts.watch(place, read))
  function take() {
    const draft = drafts.take(whose, place) as T | undefined
    given.value = draft !== undefined
    return draft
  }
  function saved() {
    drafts.forget(whose, place)
    given.value = false
  }
  return { given, take, saved }
}
