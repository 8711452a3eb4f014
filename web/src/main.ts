import ui from '@nuxt/ui/vue-plugin'
import { createApp } from 'vue'
import { createApi } from '@/api'
import { createClient } from '@/api/client'
import App from '@/App.vue'
import { apiKey } from '@/composables/useApi'
import { createServerTime, serverTimeKey } from '@/composables/useServerTime'
import { createSession, sessionKey } from '@/composables/useSession'
import { createStepUp, stepUpKey } from '@/composables/useStepUp'
import { createTheme, themeKey } from '@/composables/useTheme'
import { placeless } from '@/lib/place'
import { createTabs } from '@/lib/tabs'
import { createPages, way } from '@/router'
import '@/style.css'

const stepUp = createStepUp()
const api = createApi(createClient({ onUnauthenticated: () => session.lost(), prove: stepUp.ask, shown: () => session.shown(), onChanged: () => void session.follow() }))
const serverTime = createServerTime(api)
const tabs = createTabs()
const session = createSession(api, serverTime, tabs)
const router = createPages(session)

session.onLost(() => {
  const here = router.currentRoute.value
  if (!here.meta.bare) void router.push({ name: 'login', query: { next: here.fullPath } })
})

tabs.onTold(() => void session.follow(router.currentRoute.value.meta.forStrangers))

session.onSwitched(() => {
  const here = router.currentRoute.value
  const there = way(here, session)
  void router.replace(there === true ? { path: here.path, query: placeless(here.query), hash: here.hash, state: { trails: null } } : there) // their lists are others
})

createApp(App)
  .provide(apiKey, api)
  .provide(serverTimeKey, serverTime)
  .provide(sessionKey, session)
  .provide(stepUpKey, stepUp)
  .provide(themeKey, createTheme())
  .use(router)
  .use(ui)
  .mount('#app')
