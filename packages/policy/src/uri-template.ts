/** `/orders/:id(^\\d+$)` is `/orders/{id}`, and `/files/*` is `/files/{wildcard}`. */
export function templateOf(route: string): string {
  return route
    .replaceAll(/(?<!:):([^/:(.\-?]+)(?:\([^)]*\))?\??/g, '{$1}')
    .replaceAll('::', ':')
    .replace('*', '{wildcard}')
}
