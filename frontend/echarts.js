// The parts of Apache ECharts that the console draws with; everything else is left out of the build.
// The canvas renderer is the one that lives under a strict Content-Security-Policy: the SVG renderer writes `style`
// attributes. Tooltips must use `renderMode: "richText"` for the same reason.
export { init } from "echarts/core";
import { use } from "echarts/core";
import { BarChart, LineChart } from "echarts/charts";
import { BrushComponent, GridComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, TooltipComponent, BrushComponent, MarkLineComponent, CanvasRenderer]);
