import type { ApiProblem } from '@/api'

/** A sentence begins with a capital; the API's messages are parts of one. */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** The field a message is about, without the part of the request it stood in: "body.rate_max" is "rate_max". */
export const fieldName = (location = ''): string => location.replace(/^(body|query|path|header)\./, '')

/** What is wrong with each of the fields named; the rest stays for the message of the whole. */
export function byField(problem: ApiProblem | undefined, names: readonly string[]): Record<string, string> {
  const found = (problem?.fields ?? []).filter((f) => names.includes(fieldName(f.location)))
  return Object.fromEntries(found.map((f) => [fieldName(f.location), sentence(f.message)]))
}
