// Products of one x with several weights: one preparation of x for each kind, one wave of parallel work.
#include "kernels/products.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kItemBytes = 65536;  // weights of one item of work: some microseconds
constexpr int64_t kManyRows = 64;      // from here on weights matter less than the work that an item is,
constexpr int64_t kWidest = 128;       // and columns: enough of them for rows of out to be written in long pieces
constexpr int64_t kItemRows = 1020;    // rows of one item: their share of x stays in a cache

// One product's items: rectangles of rows by columns.
struct Task {
  const Product* product;
  const Activations* x;
  int64_t columns, column_items;
  int64_t strips, row_items;  // strips, or rows where there are none, of an item
  int64_t first_item;
};

template <class B, class T>
void finish_rows(const Sums& sums, const Product& p, int64_t first_row) {
  int64_t columns = sums.n1 - sums.n0;
  for (int64_t i = 0; i < sums.m; i++) {
    const float* from = sums.data + i * sums.pitch;
    T* to = (T*)p.out + (first_row + i) * p.out_stride + sums.n0;
    const T* add = p.add ? (const T*)p.add + (first_row + i) * p.add_stride + sums.n0 : nullptr;
    for (int64_t n = 0; n < columns; n += kLanes) {
      int64_t left = columns - n;
      Floats v = load(from + n, left);
      if (p.bias) v += load((const B*)p.bias + sums.n0 + n, left);
      if (add) v += load(add + n, left);
      store(to + n, v, left);
    }
  }
}

void run(const Task& task, int64_t item, Type out_type) {
  const Product& product = *task.product;
  int64_t first = item / task.column_items * task.strips;
  Activations x = part(*task.x, first, first + task.strips);
  int64_t n0 = item % task.column_items * task.columns, n1 = smaller(product.weight.n, n0 + task.columns);
  Scratch scratch;
  int64_t pitch = round_up(n1 - n0, kColumns);
  float* sums = scratch.take<float>(x.m * pitch);
  multiply(x, product.weight, n0, n1, sums, pitch);
  finish({sums, pitch, x.m, n0, n1}, product, out_type, first * larger<int64_t>(1, x.height));
}

Task task_of(const Product& product, const Activations& x, int64_t all_columns, int64_t first_item) {
  int64_t columns = columns_per_item(product.weight, x.m, all_columns);
  int64_t strips = x.height ? ceil_div(x.m, x.height) : x.m, most = x.height ? kItemRows / x.height : x.m;
  return {&product, &x, columns, ceil_div(product.weight.n, columns), most, ceil_div(strips, most), first_item};
}

}  // namespace

int64_t row_bytes(const Weight& weight) {
  if (weight.format == Format::dense) return weight.k * size_of(weight.type);
  int64_t of_scales = weight.format == Format::mxfp4 ? 1 : 2 * size_of(weight.type);
  return weight.k * weight.bits / 8 + weight.k / weight.group * of_scales;
}

int64_t columns_per_item(const Weight& weight, int64_t m, int64_t all_columns) {
  int64_t by_size = kItemBytes / larger<int64_t>(1, row_bytes(weight)), by_share = all_columns / (8 * threads());
  if (m > kManyRows) by_size = kWidest, by_share /= 2;
  return larger<int64_t>(kColumns, smaller(by_size, by_share) / kColumns * kColumns);
}

void multiply(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  if (x.m == 0 || n0 >= n1) return;
  if (weight.format == Format::dense) {
    (x.height ? multiply_strips_dense : multiply_few_dense)(x, weight, n0, n1, out, pitch);
  } else {
    (x.kind.exact ? multiply_exact : multiply_int8)(x, weight, n0, n1, out, pitch);
  }
}

void finish(const Sums& sums, const Product& product, Type type, int64_t first_row) {
  VIVACE_DISPATCH(product.bias_type, B, VIVACE_DISPATCH(type, T, finish_rows<B, T>(sums, product, first_row)));
}

void matmul(const MatmulArgs& a) {
  if (a.m == 0) return;
  int64_t all_columns = 0;
  for (int32_t i = 0; i < a.count; i++) all_columns += a.products[i].weight.n;
  Scratch scratch;
  Activations* ready = scratch.take<Activations>(a.count);
  Task* tasks = scratch.take<Task>(a.count);
  int64_t kinds = 0, count = 0, items = 0;
  for (int32_t i = 0; i < a.count; i++) {
    const Product& product = a.products[i];
    if (product.weight.n == 0) continue;
    Kind kind = kind_of(product.weight, a.exact);
    int64_t have = 0;
    while (have < kinds && !(ready[have].kind == kind)) have++;
    if (have == kinds) ready[kinds++] = prepare(scratch, {a.x, a.m, product.weight.k, a.stride, nullptr, a.type}, kind);
    tasks[count] = task_of(product, ready[have], all_columns, items);
    items += tasks[count].column_items * tasks[count].row_items;
    count++;
  }
  parallel_for(items, [&](int64_t item) {
    int64_t t = count - 1;
    while (tasks[t].first_item > item) t--;
    run(tasks[t], item - tasks[t].first_item, a.out_type);
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
