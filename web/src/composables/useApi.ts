import type { InjectionKey } from 'vue'
import type { Api } from '@/api'
import { must } from '@/lib/inject'

export const apiKey: InjectionKey<Api> = Symbol('api')

export const useApi = (): Api => must(apiKey)
