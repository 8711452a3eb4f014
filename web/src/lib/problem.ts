import { ApiProblem } from '@/api'

/** A sentence begins with a capital; the API's messages are parts of one. */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The field a message is about, without the part of the request it stood in: "body.rate_max" is "rate_max". */
export const fieldName = (location = ''): string => location.replace(/^(body|query|path|header)\./, '')

/** What is wrong with each of the fields named; the rest stays for the message of the whole. */
export function byField(problem: ApiProblem | undefined, names: readonly string[]): Record<string, string> {
  const found = (problem?.fields ?? []).filter((f) => names.includes(fieldName(f.location)))
  return Object.fromEntries(found.map((f) => [fieldName(f.location), sentence(f.message)]))
}

/** What somebody else was quicker to change is read anew: a form that keeps what was typed shows both. */
export async function rereading(change: Promise<unknown>, reload: () => Promise<unknown>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'version_mismatch') throw error
    await reload()
    throw new ApiProblem(409, 'somebody else changed this meanwhile. You see it as it is now, with what you typed: look at it, then save again', 'changed_meanwhile')
  }
  await reload()
}

const TOLD: Record<string, string> = {
  email_not_verified: 'Your email address is not verified yet: follow the link in the mail that we sent to it. If there is none, open the account once more, and another is sent.',
  database_unavailable: 'No answer came, so it is not known whether this was done. Press the button again: it is not done twice.',
  proof_required: 'Nothing was changed: this needs fresh proof of who you are. Press the button again to give it.',
  version_mismatch: 'Somebody else changed this meanwhile. Load the page again, then make your change.',
}

/** A problem in words for people: the API's own, unless those are for programs. */
export const told = (problem: ApiProblem): string => TOLD[problem.code] ?? sentence(problem.message)
