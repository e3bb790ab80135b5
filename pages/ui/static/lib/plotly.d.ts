// What is used of plotly.js. Its traces, layouts and events have no types of their own here.

// biome-ignore lint/suspicious/noExplicitAny: plotly.js alone may be anything
type Plotly = any;

interface Window {
  Plotly: Plotly;
}
