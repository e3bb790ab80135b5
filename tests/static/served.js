// For node: the module of token columns, which the server makes and no file has. Its text is $COLUMNS_MODULE.
import { registerHooks } from "node:module";

const SERVED = "lib/columns.js";

registerHooks({
  resolve(specifier, context, next) {
    const url = URL.parse(specifier, context.parentURL)?.href;
    return url?.endsWith(SERVED) ? { url, format: "module", shortCircuit: true } : next(specifier, context);
  },
  load(url, context, next) {
    if (!url.endsWith(SERVED)) return next(url, context);
    return { format: "module", source: process.env.COLUMNS_MODULE, shortCircuit: true };
  },
});
