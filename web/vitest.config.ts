import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Pure functions only: what needs a page is tested in a real browser.
export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  test: { include: ['src/**/*.spec.ts'], environment: 'node' },
})
