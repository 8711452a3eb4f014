import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteLocationRaw } from 'vue-router'
import type { SessionStore } from '@/composables/useSession'
import { brand } from '@/lib/brand'
import { ownPath } from '@/lib/next'
import { scrollBack } from '@/lib/scroll'
import { site } from '@/lib/site'
import { missing, routes } from '@/routes'

// Where somebody begins: the first page that they may see.
const STARTS = {
  account: [['services.read', '/services'], ['account.read', '/account']],
  admin: [['network.read', '/exporters'], ['customers.read', '/customers'], ['services.read', '/services'], ['invoices.read', '/invoices'], ['reports.read', '/reports/top-services'], ['staff.read', '/staff'], ['audit.read', '/audit']],
} as const

/** Where a page leads instead of to itself; true: to itself. */
export function way(to: RouteLocationNormalized, session: SessionStore): true | RouteLocationRaw {
  if (to.meta.site && to.meta.site !== site()) return missing(to)
  const current = session.current.value
  if (to.meta.forStrangers && current) return ownPath(to.query.next) ?? '/'
  if (to.meta.open) return true
  if (!current) return { name: 'login', query: to.name === 'home' ? {} : { next: to.fullPath } }
  if (current.restricted === 'second_factor_required') return to.name === 'security' || { name: 'security' }
  if (to.meta.inPerson) return !current.impersonated || missing(to)
  if (current.restricted === 'no_account') return { name: 'accounts' }
  if (to.name === 'home') return STARTS[site()].find(([needs]) => session.may(needs))?.[1] ?? '/profile'
  return !to.meta.needs || session.may(to.meta.needs) || missing(to)
}

export function createPages(session: SessionStore) {
  let endScroll = () => {} // of the page before
  const router = createRouter({
    history: createWebHistory('/'),
    routes,
    scrollBehavior: (to, from, saved) => {
      endScroll()
      if (saved) endScroll = scrollBack(saved)
      return saved || to.path === from.path ? false : { top: 0 }
    },
  })
  router.beforeEach(async (to) => {
    endScroll()
    if (!to.meta.open || to.meta.forStrangers || to.name === 'missing') await session.load()
    return way(to, session)
  })
  // Pages with a name of their own set it themselves, and keep it when only the query changes.
  router.afterEach((to, from) => { if (to.path !== from.path || !from.matched.length) document.title = `${to.meta.title} · ${brand()}` })
  // A new version was rolled out and this page's chunks are gone: load the new one, at the place asked for.
  router.onError((error: Error, to) => {
    if (/dynamically imported module|module script/i.test(error.message)) location.assign(to.fullPath)
  })
  return router
}
