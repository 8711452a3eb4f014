// The audit log as people read it: "catalog.ChangePlan" is "Change plan", an actor's kind is a word, and what an order
// changed is a list of fields.

import type { Site } from '@/lib/site'

export interface FieldChange { field: string; before: string; after: string }

/** The order's own words, without its context. */
export function orderWord(command: string): string {
  const verb = command.slice(command.indexOf('.') + 1)
  const words = verb.replace(/([a-z0-9])([A-Z])/g, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`)
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const BY = { you: 'You', staff: 'Staff', system: 'The platform', other: 'Somebody else' }
export const byWord = (by: keyof typeof BY): string => BY[by]

/** Where an object has a page of its own. A customer's people see one account, which is theirs. */
export function objectPage(object: { type: string; id: string }, on: Site): string | undefined {
  if (object.type === 'customer' && on === 'account') return '/account'
  const places: Record<string, string> = { customer: '/customers', service: '/services', exporter: '/exporters', invoice: '/invoices' }
  const place = places[object.type]
  return place && `${place}/${object.id}`
}

/** The fields that an order changed, in the order of their names. */
export function changes(before: unknown, after: unknown): FieldChange[] {
  const was = fields(before), is = fields(after)
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].sort()
    .map((field) => ({ field: field.replaceAll('_', ' '), before: shown(was[field]), after: shown(is[field]) }))
}

const fields = (value: unknown): Record<string, unknown> => (value && typeof value === 'object' && !Array.isArray(value) ? value as Record<string, unknown> : {})

function shown(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
