import { ApiProblem, type Link } from '@/api'
import { useApi } from '@/composables/useApi'
import { useResource } from '@/composables/useResource'

/** Looks at a mailed link without using it up: mail programs open links, too. A link of another purpose is none. */
export function useMailedLink(token: string, ...purposes: string[]) {
  const api = useApi()
  const none = () => new ApiProblem(404, 'this link does not work any more', 'link_not_valid')
  return useResource<Link>(async (signal) => {
    if (!token) throw new ApiProblem(404, 'there is no link', 'link_missing') // the page was loaded again: it keeps none
    const link = await api.lookAtLink(token, signal)
    if (!purposes.includes(link.purpose)) throw none()
    return link
  })
}
