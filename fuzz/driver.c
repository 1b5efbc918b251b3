/* The native engine's driver: libFuzzer inside a Python process, with a Python function as what is fuzzed.
 *
 * It is linked with clang's libFuzzer (without its main) into one extension module, which must be loaded with its symbols
 * global before the instrumented modules of the package are: they register their counters with what is in here.
 *
 * Rules that hold here:
 *
 * - An input that was run lately is not run again and not counted: `executions` are inputs that differ from the
 *   millions before them, `skipped` are the others. `distinct` is an estimate over the whole run (HyperLogLog, 0.8 %).
 * - The input at work is kept in a mapped file, in the layout of `fuzz.worker.LastInput`.
 * - Most mutations are libFuzzer's own, in C; once in so many times the Python mutator is asked.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

#define ROOM ((size_t)1 << 20)
#define RECENT_BITS 23
#define SKETCH_BITS 14

static PyObject *check_function, *mutate_function, *end_function;
static unsigned long long executions, skipped;
static unsigned mutate_one_in = 8;
static uint64_t *recent;
static uint8_t sketch[1 << SKETCH_BITS];
static uint8_t *last_input;

static uint64_t mixed(uint64_t hash) {
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdULL;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53ULL;
    return hash ^ (hash >> 33);
}

static uint64_t hash_of(const uint8_t *data, size_t size) {
    uint64_t hash = 0x9e3779b97f4a7c15ULL ^ size, word;
    for (; size >= 8; data += 8, size -= 8) {
        memcpy(&word, data, 8);
        hash = mixed(hash ^ word) + 0x9e3779b97f4a7c15ULL;
    }
    word = 0;
    memcpy(&word, data, size);
    return mixed(hash ^ word);
}

/* Whether the input is one of those run lately; it is one of them from now on. */
static int seen(const uint8_t *data, size_t size) {
    uint64_t hash = hash_of(data, size);
    uint64_t *place = &recent[hash >> (64 - RECENT_BITS)];
    if (*place == hash)
        return 1;
    *place = hash;
    uint64_t rest = (hash << SKETCH_BITS) | 1;
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *cell = &sketch[hash >> (64 - SKETCH_BITS)];
    if (rank > *cell)
        *cell = rank;
    return 0;
}

static int run_one(const uint8_t *data, size_t size) {
    if (seen(data, size)) {
        skipped++;
        return 0;
    }
    executions++;
    if (last_input) {
        size_t kept = size < ROOM - 8 ? size : ROOM - 8;
        uint64_t length = kept;
        memcpy(last_input, &length, 8);
        memcpy(last_input + 8, data, kept);
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *result = bytes ? PyObject_CallOneArg(check_function, bytes) : NULL;
    Py_XDECREF(bytes);
    if (!result) {
        PyErr_Print();
        _exit(70);
    }
    Py_DECREF(result);
    return 0;
}

__attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most,
                                                                      unsigned seed) {
    if (!mutate_function || mixed(seed) % mutate_one_in)
        return LLVMFuzzerMutate(data, size, most);
    PyObject *made = PyObject_CallFunction(mutate_function, "y#nI", (const char *)data, (Py_ssize_t)size,
                                           (Py_ssize_t)most, seed);
    char *content;
    Py_ssize_t length;
    if (!made || PyBytes_AsStringAndSize(made, &content, &length) < 0) {
        PyErr_Print();
        _exit(70);
    }
    if ((size_t)length > most)
        length = (Py_ssize_t)most;
    memcpy(data, content, (size_t)length);
    Py_DECREF(made);
    return (size_t)length;
}

/* libFuzzer ends the process itself when it is done. */
static void at_end(void) {
    if (!end_function)
        return;
    PyObject *result = PyObject_CallNoArgs(end_function);
    if (!result)
        PyErr_Print();
    Py_XDECREF(result);
}

static int map_last(const char *path) {
    int file = open(path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, (off_t)ROOM) < 0)
        return -1;
    void *place = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (place == MAP_FAILED)
        return -1;
    last_input = place;
    return 0;
}

static PyObject *run(PyObject *module, PyObject *args, PyObject *keywords) {
    static char *names[] = {"arguments", "check", "end", "mutate", "mutate_one_in", "last", NULL};
    PyObject *arguments, *check, *end, *mutate = Py_None;
    const char *last = "";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!OO|OIs", names, &PyList_Type, &arguments, &check, &end, &mutate,
                                     &mutate_one_in, &last))
        return NULL;
    if (*last && map_last(last) < 0)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, last);
    recent = calloc((size_t)1 << RECENT_BITS, sizeof *recent);
    int count = (int)PyList_GET_SIZE(arguments);
    char **values = calloc((size_t)count + 1, sizeof *values);
    if (!recent || !values)
        return PyErr_NoMemory();
    for (int index = 0; index < count; index++) {
        const char *text = PyUnicode_AsUTF8(PyList_GET_ITEM(arguments, index));
        if (!text || !(values[index] = strdup(text)))
            return NULL;
    }
    check_function = Py_NewRef(check);
    end_function = Py_NewRef(end);
    mutate_function = mutate == Py_None || !mutate_one_in ? NULL : Py_NewRef(mutate);
    atexit(at_end);
    return PyLong_FromLong(LLVMFuzzerRunDriver(&count, &values, run_one));
}

static PyObject *counts(PyObject *module, PyObject *unused) {
    double sum = 0, cells = 1 << SKETCH_BITS, empty = 0;
    for (size_t index = 0; index < sizeof sketch; index++) {
        sum += ldexp(1.0, -sketch[index]);
        empty += !sketch[index];
    }
    double distinct = 0.7213 / (1 + 1.079 / cells) * cells * cells / sum;
    if (empty && distinct < 2.5 * cells)
        distinct = cells * log(cells / empty);
    return Py_BuildValue("(KKK)", executions, skipped, (unsigned long long)distinct);
}

static PyObject *mutate_bytes(PyObject *module, PyObject *args) {
    const char *data;
    Py_ssize_t size, most;
    if (!PyArg_ParseTuple(args, "y#n", &data, &size, &most))
        return NULL;
    PyObject *made = PyBytes_FromStringAndSize(NULL, most > size ? most : size);
    if (!made)
        return NULL;
    memcpy(PyBytes_AS_STRING(made), data, (size_t)size);
    size_t length = LLVMFuzzerMutate((uint8_t *)PyBytes_AS_STRING(made), (size_t)size, (size_t)(most > size ? most : size));
    _PyBytes_Resize(&made, (Py_ssize_t)length);
    return made;
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))run, METH_VARARGS | METH_KEYWORDS, "Fuzz; libFuzzer ends the process."},
    {"counts", counts, METH_NOARGS, "Return executions, inputs skipped as run lately, and distinct inputs (estimate)."},
    {"mutate", mutate_bytes, METH_VARARGS, "Mutate bytes as libFuzzer does."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "fuzz_driver", NULL, -1, methods, NULL, NULL, NULL, NULL};

__attribute__((visibility("default"))) PyObject *PyInit_fuzz_driver(void) { return PyModule_Create(&definition); }
