// @peculiar/x509 needs Reflect's metadata before it loads: import it from here and nowhere else.
import 'reflect-metadata/lite'

export * from '@peculiar/x509'
