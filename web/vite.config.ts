import { fileURLToPath } from 'node:url'
import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig, type Plugin } from 'vite'

// Nuxt UI writes its palette into a <style> element at run time. Ours is in theme.css, so that the
// Content-Security-Policy can refuse every inline style.
function withoutRuntimePalette(): Plugin {
  return {
    name: 'without-runtime-palette',
    enforce: 'pre',
    load: (id) => (/@nuxt\/ui\/dist\/runtime\/plugins\/colors\.js$/.test(id) ? 'export default { install() {} }' : undefined),
  }
}

const api = process.env.API_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  base: '/',
  plugins: [
    withoutRuntimePalette(),
    vue(),
    ui({
      components: false,
      autoImport: false,
      colorMode: false,
      icon: { clientBundle: { scan: { globInclude: ['src/**/*.{vue,ts}'] } } },
      experimental: { componentDetection: true },
      ui: { colors: { primary: 'blue', neutral: 'slate' } },
    }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: 'dist/site',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  server: {
    proxy: { '/api': { target: api }, '/openapi.json': { target: api } },
  },
})
