import { computed, ref, watchEffect, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import { must } from '@/lib/inject'

export type ThemeChoice = 'system' | 'light' | 'dark'
export interface Theme { choice: Ref<ThemeChoice>; dark: ComputedRef<boolean> }

export const themeKey: InjectionKey<Theme> = Symbol('theme')

export const useTheme = (): Theme => must(themeKey)

const STORED = 'theme'

function stored(): ThemeChoice {
  try {
    const value = localStorage.getItem(STORED)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system'
  }
}

/** Follows the system unless told otherwise; public/theme.js does the same before the first paint. */
export function createTheme(): Theme {
  const choice = ref(stored())
  const system = matchMedia('(prefers-color-scheme: dark)')
  const systemDark = ref(system.matches)
  system.addEventListener('change', (event) => { systemDark.value = event.matches })
  const dark = computed(() => (choice.value === 'system' ? systemDark.value : choice.value === 'dark'))
  watchEffect(() => {
    document.documentElement.classList.toggle('dark', dark.value)
    try {
      if (choice.value === 'system') localStorage.removeItem(STORED)
      else localStorage.setItem(STORED, choice.value)
    } catch { /* storage refused: the choice lasts as long as the page */ }
  }, { flush: 'sync' })
  return { choice, dark }
}
