import { expect, it } from 'vitest'
import type { RouteLocationNormalized } from 'vue-router'
import type { SessionStore } from '@/composables/useSession'
import { way } from './router'
import { routes } from './routes'

const to = (path: string, next?: string) => ({ path, query: next ? { next } : {}, meta: { ...routes.find((r) => r.path === path)!.meta, site: undefined } }) as unknown as RouteLocationNormalized
const as = (current?: object) => ({ current: { value: current } }) as unknown as SessionStore

it('leads whoever is signed in on from where people log in, and nobody else', () => {
  for (const path of ['/login', '/register', '/forgot']) {
    expect([way(to(path), as()), way(to(path), as({})), way(to(path, '/alerts?q=1'), as({ restricted: 'second_factor_required' })), way(to(path, '//evil.example'), as({}))])
      .toEqual([true, '/', '/alerts?q=1', '/'])
  }
})

it('opens mailed links whoever is there', () => {
  for (const path of ['/verify', '/reset', '/invitation', '/enrol', '/impersonate']) expect([way(to(path), as()), way(to(path), as({}))]).toEqual([true, true])
})
