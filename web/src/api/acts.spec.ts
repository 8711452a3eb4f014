import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createApi } from '.'
import type { RequestOptions } from './client'

interface Operation { description?: string }
const { paths } = JSON.parse(readFileSync(new URL('../../../api/openapi.json', import.meta.url), 'utf8')) as { paths: Record<string, Record<string, Operation>> }

// Whatever is asked of it, it is: an argument of any function of the API.
const anything: unknown = new Proxy(() => {}, { get: (_, name) => (name === Symbol.toPrimitive ? () => 'x' : anything) })

it('names every act that wants a fresh proof, and no other', () => {
  const sent = new Map<string, string | undefined>()
  const request = (path: string, { method = 'GET', act }: RequestOptions = {}) => { sent.set(`${method} /api/v1${path}`, act); return Promise.resolve({ items: [] } as never) }
  for (const ask of Object.values(createApi({ request }))) void (ask as (...given: unknown[]) => unknown)(anything, anything, anything)
  const wanted = new Set(Object.entries(paths).flatMap(([path, of]) => Object.entries(of)
    .filter(([, op]) => op.description?.includes('within ten minutes of a proof')).map(([method]) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, 'x')}`)))
  // Those that the order itself wants it for (command/credential), or the application that asks (api/oauth).
  for (const path of ['/me/passkeys', '/me/totp/confirm', '/consents']) wanted.add(`POST /api/v1${path}`)
  expect([...sent].filter(([, act]) => act !== undefined).map(([what]) => what).sort()).toEqual([...wanted].sort())
  for (const act of sent.values()) if (act) expect(act).toMatch(/^to [a-z]/)
})
