// The parts of Apache ECharts that the console draws with; everything else is left out of the build.
// The canvas renderer is the one that lives under a strict Content-Security-Policy: the SVG renderer writes `style`
// attributes. Tooltip and brush are our own (static/js/pointer.js), and the lines between days are the axis' own: those
// components would make this a quarter larger.
export { init } from "echarts/core";
import { use } from "echarts/core";
import { BarChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, GridComponent, CanvasRenderer]);
