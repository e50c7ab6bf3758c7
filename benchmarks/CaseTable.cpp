//===- CaseTable.cpp - All cases ------------------------------------------===//
//
// Part of the norma project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cases.h"

#include <algorithm>
#include <tuple>

namespace norma::benchmarks {

namespace {

constexpr int64_t kKiB = 1 << 10, kMiB = 1 << 20;
/// Bytes of f32 data for a second-level cache, for a last-level cache, and for none.
constexpr int64_t kSmall = 256 * kKiB, kMedium = 16 * kMiB, kLarge = 256 * kMiB;

/// A shape whose outermost extent is still open (0).
struct Open {
  Dims shape, kept;
};

/// Of such a size that the data has `bytes` bytes in f32.
Dims withSize(const Open &open, int64_t bytes) {
  Dims shape = open.shape;
  shape[0] = 1;
  int64_t inner = 1;
  for (int64_t extent : shape)
    inner *= extent;
  shape[0] = std::max<int64_t>(1, bytes / 4 / inner);
  return shape;
}

class Table {
public:
  Table() {
    addForms();
    addSizes();
    addBatchNorm();
    addTypes();
    // Buffers are filled anew when the type changes. The name makes the order one.
    std::sort(all.begin(), all.end(), [](const Case &a, const Case &b) {
      return std::tuple(a.in, a.elements(), a.name()) < std::tuple(b.in, b.elements(), b.name());
    });
  }
  std::vector<Case> all;

private:
  /// A case that is there already only gets the marks.
  void add(const Case &added) {
    for (Case &old : all)
      if (old.name() == added.name()) {
        old.quick |= added.quick;
        old.peers |= added.peers;
        return;
      }
    all.push_back(added);
  }

  void addMarked(Work work, const Open &open, int64_t bytes, bool quick, bool peers) {
    add({work, withSize(open, bytes), open.kept, DType::F32, DType::F32, quick, peers});
  }

  static std::vector<Open> tables() {
    std::vector<Open> open;
    for (int64_t features : {1, 3, 5, 13, 30, 64, 100, 1000, 1024, 4097})
      open.push_back({{0, features}, {1}});
    return open;
  }

  /// Images with 1, 49, 196 and 3136 pixels, channels first or last.
  static std::vector<Open> images(bool channelsFirst) {
    std::vector<Open> open;
    for (auto [side, channels] :
         {std::pair<int64_t, int64_t>(1, 1000), {7, 512}, {14, 256}, {56, 64}})
      open.push_back(channelsFirst ? Open{{0, channels, side, side}, {1}}
                                   : Open{{0, side, side, channels}, {3}});
    return open;
  }

  /// Every axis form, in three sizes.
  void addForms() {
    std::vector<Open> normalized = tables();
    normalized.push_back({{0}, {}});
    normalized.push_back({{0, 1000}, {0}});
    std::vector<Open> inferred = images(true);
    for (const Open &open : images(false))
      inferred.push_back(open);
    for (int64_t bytes : {kSmall, kMedium, kLarge}) {
      for (const Open &open : normalized)
        add({Work::Normalize, withSize(open, bytes), open.kept});
      for (const Open &open : inferred)
        add({Work::Infer, withSize(open, bytes), open.kept});
      for (const Open &open : {tables()[3], tables()[7], images(true)[1], images(false)[3]}) {
        add({Work::Inverse, withSize(open, bytes), open.kept});
        add({Work::InferPlain, withSize(open, bytes), open.kept});
      }
      // Reductions read once and write nothing: twice the data leaves the same caches.
      for (const std::vector<Open> *list : {&normalized, &inferred})
        for (const Open &open : *list)
          add({Work::Moments, withSize(open, 2 * bytes), open.kept});
    }
    for (int64_t bytes : {kSmall, kMedium})
      add({Work::Normalize, withSize({{0}, {0}}, bytes), {0}});
  }

  /// A few forms in all sizes: these make the plots.
  void addSizes() {
    for (int64_t bytes = 16 * kKiB; bytes <= kKiB * kMiB; bytes *= 4) {
      const bool quick = bytes == kSmall || bytes == 16 * kSmall;
      const bool peers = bytes <= kLarge;
      for (int table : {3, 8})
        for (Work work : {Work::Normalize, Work::Moments})
          addMarked(work, tables()[size_t(table)], bytes, quick || (bytes == kLarge && table == 3),
                    peers);
      for (bool channelsFirst : {true, false}) {
        const Open open = images(channelsFirst)[3];
        addMarked(Work::Infer, open, bytes, quick || (bytes == kLarge && channelsFirst), peers);
        if (bytes <= kLarge)
          for (Work work : {Work::Forward, Work::Backward})
            addMarked(work, open, bytes, quick, peers);
      }
    }
  }

  /// The batch normalizations of ResNet-50, and tables.
  void addBatchNorm() {
    constexpr std::pair<int64_t, int64_t> kLayers[] = {{64, 112},  {64, 56},  {256, 56}, {128, 56},
                                                       {128, 28},  {512, 28}, {256, 28}, {256, 14},
                                                       {1024, 14}, {512, 14}, {512, 7},  {2048, 7}};
    for (int64_t batch : {1, 8, 32})
      for (auto [channels, side] : kLayers)
        for (Work work : {Work::Forward, Work::Backward}) {
          const bool early = batch == 8 && side == 112, late = batch == 32 && channels == 1024;
          const bool peers = early || late;
          add({work, {batch, channels, side, side}, {1}, DType::F32, DType::F32, late, peers});
          add({work, {batch, side, side, channels}, {3}, DType::F32, DType::F32, late, peers});
        }
    for (int64_t rows : {1000, 10000, 100000, 1000000})
      for (int64_t features : {30, 100})
        for (Work work : {Work::Forward, Work::Backward}) {
          const bool peers = rows >= 10000 && features == 30;
          add({work,
               {rows, features},
               {1},
               DType::F32,
               DType::F32,
               peers && rows < 1000000,
               peers});
        }
    // Batches behind a layer of many units.
    for (int64_t rows : {64, 256})
      for (Work work : {Work::Moments, Work::Forward, Work::Backward})
        add({work, {rows, 4096}, {1}, DType::F32, DType::F32, false, rows == 256});
  }

  void addTypes() {
    constexpr std::pair<DType, DType> kTypes[] = {
        {DType::U8, DType::F32},    {DType::U8, DType::BF16},  {DType::F16, DType::F16},
        {DType::BF16, DType::BF16}, {DType::F32, DType::BF16}, {DType::F64, DType::F64}};
    for (auto [in, out] : kTypes)
      for (int64_t bytes : {kSmall, kLarge})
        for (const Open &open : {tables()[3], images(false)[3], images(true)[1]}) {
          const bool peers = bytes == kLarge && open.kept[0] == 3;
          const Dims shape = withSize(open, bytes);
          add({Work::Normalize, shape, open.kept, in, out, false, peers});
          if (in != DType::F32)
            add({Work::Moments, shape, open.kept, in, in});
        }
    for (DType type : {DType::F16, DType::BF16})
      for (bool channelsFirst : {true, false})
        for (Work work : {Work::Forward, Work::Backward}) {
          const Open open = images(channelsFirst)[3];
          add({work, withSize(open, kMedium), open.kept, type, type});
        }
  }
};

} // namespace

const std::vector<Case> &cases() {
  static const std::vector<Case> all = Table().all;
  return all;
}

} // namespace norma::benchmarks
