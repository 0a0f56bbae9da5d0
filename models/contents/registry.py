"""Page contents that a configuration can name (`workloads[].contents.kind`)."""

from models.registry import REQUIRED, Entry, Option

_MEASURED = "tables of models/contents/data"

REGISTRY = (
    Entry(
        "measured",
        "models.contents.measured:build",
        "compressed size of every page of a real program, in address order",
        "measured by this project: Linux 6.18 zram and user-space libraries; see models/contents/data/README.md",
        (
            Option("table", "str", "", "cc1", "a shipped table: `mempress list` names them", _MEASURED),
            Option("file", "path", "", None, "instead of `table`: a table of one's own, CSV with a column for each compressor, or .npz"),
        ),
    ),
    Entry(
        "corpus",
        "models.contents.corpus:build",
        "any file, directory or memory image, cut into pages and compressed now",
        "the user's own bytes",
        (
            Option("path", "path", "", REQUIRED, "file, or directory whose files are taken in the order of their names"),
            Option("limit", "size", "B", "1GiB", "bytes read at most", "keeps the start under some seconds (2-7 us a page)", 4096),
        ),
    ),
    Entry(
        "synthetic",
        "models.contents.synthetic:build",
        "bytes generated to a target compressibility, then really compressed",
        "definition; spread and correlation as in the measured tables",
        (
            Option("ratio", "float", "", 3.0, "page size / mean compressed size of the pages that are not same-filled", "", 1.0, 100.0),
            Option(
                "spread",
                "float",
                "",
                0.4,
                "standard deviation of a page's compressed size / the mean",
                "0.14-0.51 in the measured tables",
                0.0,
                1.0,
            ),
            Option(
                "correlation",
                "float",
                "",
                0.9,
                "lag-1 autocorrelation of neighbouring pages",
                "0.5-0.98 in the measured tables",
                0.0,
                0.999,
            ),
            Option("same_filled", "float", "", 0.03, "share of same-filled pages", "0-8 % in the measured tables", 0.0, 1.0),
            Option("rows", "int", "pages", 8192, "pages generated", "", 16, 10_000_000),
        ),
    ),
    Entry(
        "distribution",
        "models.contents.distribution:build",
        "sizes drawn independently from a distribution: no real content, for reproducing published figures",
        "definition",
        (
            Option(
                "shape",
                "choice",
                "",
                "normal",
                "normal (mean, sd), uniform (min to max) or list (values, weights)",
                choices=("normal", "uniform", "list"),
            ),
            Option("mean", "size", "B", "2KiB", "mean of the normal distribution", "", 1),
            Option("sd", "size", "B", "512B", "its standard deviation", "", 0),
            Option("min", "size", "B", "1B", "smallest size", "", 1),
            Option("max", "size", "B", None, "largest size; none = the page size", "", 1),
            Option("values", "list:size", "B", None, "sizes of a list; 0 = same-filled"),
            Option("weights", "list:float", "", None, "their weights; none = equal"),
            Option("rows", "int", "pages", 65536, "sizes drawn", "", 1, 100_000_000),
        ),
    ),
    Entry(
        "preferred",
        "models.contents.preferred:build",
        "sizes drawn from a full range and, mostly, from a preferred one inside it: no real content",
        "compcache project, alloc_stress/genprofile (2008)",
        (
            Option("min", "size", "B", "32B", "smallest size", "compcache project, alloc_stress", 1),
            Option("max", "size", "B", "2048B", "largest size", "compcache project, alloc_stress", 1),
            Option("low", "size", "B", None, "smallest preferred size; none = min", "", 1),
            Option("high", "size", "B", None, "largest preferred size; none = max", "", 1),
            Option("share", "float", "", 0.8, "probability of the preferred range", "compcache project, alloc_stress", 0.0, 1.0),
            Option("rows", "int", "pages", 1_000_000, "sizes drawn", "", 1, 100_000_000),
        ),
    ),
    Entry(
        "memhog-pages",
        "models.contents.memhog:build",
        "the page bytes of the measured guests' load generator, really compressed (docs/validate.md)",
        "definition",
        (
            Option("cmode", "int", "", 0, "0: k random bytes, then zeros; 1: the same in each line; 2: a small dictionary", "", 0, 2),
            Option("kdist", "str", "", "1000:2048", "classes as WEIGHT:BYTES,... in thousandths and bytes k"),
            Option("cseed", "int", "", 1, "seed of the contents", "", 0, 2**63 - 1),
            Option("rows", "int", "pages", 30000, "pages: the larger of anonymous memory and a heap", "", 1, 10_000_000),
        ),
    ),
)
